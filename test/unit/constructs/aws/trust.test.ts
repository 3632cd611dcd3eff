import { App } from "cdktf";
import { PlatformStack } from "../../../../stacks/aws";
import { resources, synthStack } from "../../../support/terraform-json";

const cluster = {
  name: "demo",
  version: "1.34",
  region: "eu-west-1",
  bootstrapClusterCreatorAdminPermissions: true,
} as const;
const uploader = { namespace: "cedana-system", serviceAccount: "uploader" };

test("lets each role but those of nodes be assumed only on behalf of this account, and roles of pods only by their ServiceAccount", () => {
  const stack = new PlatformStack(new App(), "platform", {
    cluster,
    network: { availabilityZones: 2 },
    nodeGroups: [{ name: "general", instanceTypes: ["m7i.large"], scaling: { min: 1, max: 2 } }],
    karpenter: {},
    imageRepository: { name: "demo/checkpoints", writers: [uploader] },
  });
  const json = synthStack(stack);
  const account = "${data.aws_caller_identity.cedana-account.account_id}";
  const trusts = resources(json, "aws_iam_role").map((role) => {
    const { Statement } = JSON.parse(role["assume_role_policy"] as string) as {
      Statement: { Principal: { Service: string }; Condition?: Record<string, Record<string, string>> }[];
    };
    expect(Statement).toHaveLength(1);
    const [{ Principal, Condition } = { Principal: { Service: "" } }] = Statement;
    const equals = Condition?.["StringEquals"] ?? {};
    const subject = ["kubernetes-namespace", "kubernetes-service-account"].map(
      (tag) => equals[`aws:RequestTag/${tag}`],
    );
    return [
      Principal.Service,
      equals["aws:SourceAccount"] === account,
      Condition?.["ArnEquals"]?.["aws:SourceArn"] ?? subject.join("/"),
    ];
  });
  expect(new Set(trusts.map((trust) => JSON.stringify(trust)))).toEqual(
    new Set(
      [
        ["eks.amazonaws.com", true, `arn:aws:eks:eu-west-1:${account}:cluster/demo`],
        ["pods.eks.amazonaws.com", true, "kube-system/aws-node"],
        ["pods.eks.amazonaws.com", true, "kube-system/karpenter"],
        ["pods.eks.amazonaws.com", true, "cedana-system/uploader"],
        // AWS documents no condition for instance profiles.
        ["ec2.amazonaws.com", false, "/"],
      ].map((trust) => JSON.stringify(trust)),
    ),
  );
});
