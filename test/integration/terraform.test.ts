import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import type { ClusterSpec } from "../../config/cluster";
import { PlatformStack, type PlatformStackProps } from "../../stacks/aws";
import { findSecrets } from "./support/secrets";
import {
  missingStandIn,
  missingTerraform,
  runExample,
  scratch,
  succeed,
  suiteWith,
  terraform,
  terraformExamples,
} from "./support/terraform";

const folder = scratch();
const needsTerraform = suiteWith(missingTerraform());
const needsStandIn = suiteWith(missingStandIn());

interface State {
  readonly values?: { readonly root_module: object; readonly outputs?: object };
}

/** Returns the starts and completions of a log, in order. */
function events(log: string): string[] {
  return [...log.matchAll(/^(\S+): (Creating|Creation complete|Destroying|Destruction complete)/gm)].map(
    ([, address, what]) => `${what} ${address}`,
  );
}

const first = (all: readonly string[], pattern: RegExp) => all.findIndex((event) => pattern.test(event));
const last = (all: readonly string[], pattern: RegExp) => all.findLastIndex((event) => pattern.test(event));

/** Plans, applies and destroys an initialized stack. Checks that a second plan is empty and the state has no secrets. */
function applyAndDestroy(stack: string): { applied: string[]; destroyed: string[] } {
  succeed(stack, "plan", "-out=plan", "-input=false", "-no-color");
  const applied = events(succeed(stack, "apply", "-no-color", "plan"));
  const second = terraform(stack, "plan", "-detailed-exitcode", "-input=false", "-no-color");
  if (second.status !== 0) throw new Error(`the second plan is not empty\n${second.output}`);
  const { values } = JSON.parse(succeed(stack, "show", "-json")) as State;
  expect(findSecrets(values)).toEqual([]);
  expect(applied.length).toBeGreaterThan(0);
  const destroyed = events(succeed(stack, "destroy", "-auto-approve", "-no-color"));
  const left = JSON.parse(succeed(stack, "show", "-json")) as State;
  expect(left.values).toBeUndefined();
  return { applied, destroyed };
}

function initAndValidate(stack: string): void {
  succeed(stack, "init", "-input=false", "-no-color");
  succeed(stack, "validate", "-no-color");
}

needsTerraform.each(terraformExamples())("example %s", (name) => {
  let stacks: string[];
  test("passes validate", () => {
    stacks = runExample(name, join(folder, name));
    expect(stacks.length).toBeGreaterThan(0);
    stacks.forEach(initAndValidate);
  });

  needsStandIn("with a stand-in for AWS", () => {
    test("is planned, applied, planned again without changes, and destroyed", () => {
      for (const stack of stacks) expect(applyAndDestroy(stack).destroyed.length).toBeGreaterThan(0);
    });
  });
});

/** Synthesizes a stack. */
function synthStack(name: string, props: PlatformStackProps): string {
  const app = new App({ outdir: join(folder, name) });
  new PlatformStack(app, name, props);
  app.synth();
  return join(folder, name, "stacks", name);
}

const cluster: ClusterSpec = {
  name: "everything",
  version: "1.35",
  region: "eu-west-1",
  endpointPublicAccess: true,
  publicAccessCidrs: ["203.0.113.0/24"],
  accessEntries: [
    {
      name: "team",
      principalArn: "arn:aws:iam::123456789012:role/Team",
      kubernetesGroups: ["team"],
      policies: [{ policy: "AmazonEKSEditPolicy", namespaces: ["team"] }],
    },
  ],
  addons: {
    "vpc-cni": { configuration: { env: { ENABLE_PREFIX_DELEGATION: "true" } } },
    "aws-ebs-csi-driver": { version: "v1.50.0-eksbuild.1" },
  },
};

const everything: PlatformStackProps = {
  cluster,
  network: {
    availabilityZones: ["eu-west-1a", "eu-west-1b"],
    interfaceEndpoints: ["ecr.api", "ecr.dkr", "eks-auth", "sts"],
  },
  nodeGroups: [
    { name: "general", instanceTypes: ["m7i.2xlarge"], scaling: { min: 1, max: 3 } },
    {
      name: "gpu",
      instanceTypes: ["g6.2xlarge"],
      scaling: { min: 0, max: 3, desired: { managed: 1 } },
      capacityType: "SPOT",
      taints: [{ key: "nvidia.com/gpu", value: "true", effect: "NoSchedule" }],
    },
  ],
  karpenter: {},
  storage: {
    expireDays: 30,
    writers: [{ namespace: "cedana-system", serviceAccount: "writer" }],
    readers: [{ namespace: "cedana-system", serviceAccount: "reader" }],
    staticKeyUser: true,
  },
  imageRepository: {
    name: "everything/checkpoints",
    writers: [{ namespace: "cedana-system", serviceAccount: "writer" }],
  },
  terraform: { tags: { team: "ml" } },
};

needsTerraform("a stack with all areas", () => {
  let stack: string;
  test("passes validate", () => {
    stack = synthStack("everything", everything);
    expect(() => initAndValidate(stack)).not.toThrow();
  });

  needsStandIn("with a stand-in for AWS", () => {
    test("creates and destroys resources in the right order", () => {
      const { applied, destroyed } = applyAndDestroy(stack);
      const nodes = "aws_eks_node_group\\.";
      const early = "aws_eks_addon\\.\\S*(vpc-cni|kube-proxy|pod-identity-agent)";
      const access = "aws_eks_access_entry\\.cluster_access";
      for (const needed of [early, access, "aws_route\\.\\S*private"]) {
        expect(last(applied, new RegExp(`^Creation complete ${needed}`))).toBeLessThan(
          first(applied, new RegExp(`^Creating ${nodes}`)),
        );
        expect(last(destroyed, new RegExp(`^Destruction complete ${nodes}`))).toBeLessThan(
          first(destroyed, new RegExp(`^Destroying ${needed}`)),
        );
      }
      expect(last(applied, new RegExp(`^Creation complete ${nodes}`))).toBeLessThan(
        first(applied, /^Creating aws_eks_addon\.\S*coredns/),
      );
      expect(first(destroyed, /^Destruction complete aws_eks_addon\.\S*coredns/)).toBeLessThan(
        first(destroyed, new RegExp(`^Destroying ${nodes}`)),
      );
      expect(last(destroyed, /^Destruction complete aws_eks_addon/)).toBeLessThan(
        first(destroyed, new RegExp(`^Destroying ${access}`)),
      );
      // Their policies are destroyed after the add-ons of nodes; for the nodes themselves, see Cluster.
      expect(first(destroyed, /^Destruction complete aws_eks_addon\.\S*coredns/)).toBeLessThan(
        first(destroyed, /^Destroying aws_eks_access_policy_association/),
      );
      expect(last(destroyed, /^Destruction complete aws_eks_cluster\./)).toBeLessThan(
        first(destroyed, /^Destroying aws_iam_role\.cluster_role/),
      );
    });
  });
});

needsTerraform("a stack with all areas and IPv6", () => {
  let stack: string;
  test("passes validate", () => {
    stack = synthStack("ipv6", { ...everything, cluster: { ...cluster, ipFamily: "ipv6" } });
    expect(() => initAndValidate(stack)).not.toThrow();
  });

  // Not applied: the stand-in assigns no IPv6 block to a VPC, so there is nothing to cut subnets from.
  needsStandIn("with a stand-in for AWS", () => {
    test("is planned", () => {
      expect(succeed(stack, "plan", "-input=false", "-no-color")).toMatch(
        /^Plan: \d+ to add, 0 to change, 0 to destroy/m,
      );
    });
  });
});

type Json = { resource: Record<string, Record<string, Record<string, unknown>>> };

needsTerraform("Terraform rejects what our types cannot", () => {
  const change = (name: string, edit: (attributes: Record<string, unknown>) => void, type: string) => {
    const stack = join(folder, "rejected", name);
    mkdirSync(stack, { recursive: true });
    const source = join(folder, "rejected-base/stacks/rejected-base/cdk.tf.json");
    const json = JSON.parse(readFileSync(source, "utf8")) as Json;
    edit(Object.values(json.resource[type]!)[0]!);
    writeFileSync(join(stack, "cdk.tf.json"), JSON.stringify(json));
    succeed(stack, "init", "-input=false", "-no-color");
    return terraform(stack, "validate", "-no-color");
  };
  beforeAll(() => synthStack("rejected-base", { cluster, storage: everything.storage }));

  test("an unknown attribute, as an override can add it", () => {
    const { status, output } = change(
      "unknown",
      (cluster) => (cluster["endpoint_private"] = true),
      "aws_eks_cluster",
    );
    expect([status, output]).toEqual([1, expect.stringContaining('"endpoint_private"')]);
  });

  test("a reference to an attribute that does not exist", () => {
    const { status, output } = change(
      "reference",
      (addon) => (addon["cluster_name"] = "${aws_eks_cluster.cluster_A4C38409.nme}"),
      "aws_eks_addon",
    );
    expect([status, output]).toEqual([1, expect.stringMatching(/Unsupported attribute/)]);
  });

  test("a required attribute that an override removed", () => {
    const { status, output } = change("missing", (cluster) => delete cluster["role_arn"], "aws_eks_cluster");
    expect([status, output]).toEqual([1, expect.stringContaining('"role_arn" is required')]);
  });
});
