// A GitOps repository: the install as one file for each object, where Argo CD and Flux look for it.
// argocd/ and flux/ beside this file hold the object that points each of them at the folder.
import { App } from "cdk8s";
import { type KubernetesObject, layout } from "cedana-cdk/manifests";
import { writeTree } from "cedana-cdk/output";
import { CedanaChart } from "cedana-cdk/stacks/kubernetes";

// The root of your checkout of the repository.
const repository = process.argv[2] ?? "out/gitops";

const chart = new CedanaChart(new App(), "cedana", {
  engine: {
    kind: "cedana",
    clusterId: "5f0c4a1e-8a52-4c38-9d3a-0d8b1e7f6a90",
    url: "https://sandbox.cedana.ai",
    // The Secret is made by others: External Secrets, Sealed Secrets, SOPS.
    secrets: { authToken: { name: "cedana-secrets", key: "auth-token" } },
  },
  install: { syncWaves: true },
});

const folder = `${repository}/clusters/research/cedana`;
const { written, removed, unchanged } = writeTree(
  folder,
  layout(chart.toJson() as KubernetesObject[]),
  "examples/gitops",
);
process.stdout.write(
  `${folder}: ${written.length} written, ${removed.length} removed, ${unchanged.length} as they were\n`,
);
