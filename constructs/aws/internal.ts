import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { dependable, TerraformStack, type ITerraformDependable } from "cdktf";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import type { Construct } from "constructs";

/** Makes a resource depend on another one that was created later. */
export function addDependency(resource: { dependsOn?: string[] }, on: ITerraformDependable): void {
  resource.dependsOn = [...(resource.dependsOn ?? []), dependable(on)];
}

/** Creates a symmetric KMS key, rotated every year. IAM policies control its use (KMS's default key policy). */
export function kmsKey(scope: Construct, id: string, description: string): KmsKey {
  return new KmsKey(scope, id, { description, enableKeyRotation: true });
}

/** Returns an IAM policy document. Keys keep their order, so that the text is stable. */
export function policyDocument(...statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** Returns the ID of the account of the stack's provider. A stack has one data source for it. */
export function accountOf(scope: Construct): string {
  const stack = TerraformStack.of(scope);
  const known = stack.node.tryFindChild("cedana-account") as DataAwsCallerIdentity | undefined;
  return (known ?? new DataAwsCallerIdentity(stack, "cedana-account")).accountId;
}

/** Returns the trust policy of instances of EC2. It has no condition: AWS documents none for instance profiles. */
export function instanceTrust(): string {
  return policyDocument({
    Effect: "Allow",
    Principal: { Service: "ec2.amazonaws.com" },
    Action: ["sts:AssumeRole"],
  });
}
