import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import type { Construct } from "constructs";

/** A symmetric key of the account, rotated every year, whose use IAM policies govern (KMS's default key policy). */
export function kmsKey(scope: Construct, id: string, description: string): KmsKey {
  return new KmsKey(scope, id, { description, enableKeyRotation: true });
}
