import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import type { Construct } from "constructs";

/** Creates a symmetric KMS key, rotated every year. IAM policies control its use (KMS's default key policy). */
export function kmsKey(scope: Construct, id: string, description: string): KmsKey {
  return new KmsKey(scope, id, { description, enableKeyRotation: true });
}
