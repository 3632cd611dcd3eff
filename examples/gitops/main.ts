// Writes the install to a GitOps repository, one file per object. argocd/ and flux/ in this directory have the objects that
// make Argo CD and Flux apply it.
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
    // Another tool creates the Secret: External Secrets, Sealed Secrets, SOPS.
    secrets: { authToken: { name: "cedana-secrets", key: "auth-token" } },
  },
  install: { syncWaves: true },
});

const directory = `${repository}/clusters/research/cedana`;
const { written, removed, unchanged } = writeTree(
  directory,
  layout(chart.toJson() as KubernetesObject[]),
  "examples/gitops",
);
process.stdout.write(
  `${directory}: ${written.length} written, ${removed.length} removed, ${unchanged.length} unchanged\n`,
);
