import { dependable, type ITerraformDependable } from "cdktf";
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

/** Returns the trust policy for one AWS service. */
export function serviceTrust(service: string, ...actions: readonly string[]): string {
  return policyDocument({
    Effect: "Allow",
    Principal: { Service: service },
    Action: ["sts:AssumeRole", ...actions],
  });
}
