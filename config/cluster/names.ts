import { isToken } from "../schema/rule";

/** Longest `name_prefix` of an IAM role or user: 64 minus the 26 characters that the provider adds. */
const ROLE_PREFIX_MAX = 38;
/** Longest `bucket_prefix`: 63 minus 26. */
const BUCKET_PREFIX_MAX = 37;

/** Beginning of an IAM name: as much of the owner's name as fits, then what it is for. */
export function iamPrefix(owner: string, purpose: string): string {
  return prefixed(owner, purpose, ROLE_PREFIX_MAX);
}

/** Beginning of a bucket's name, in the letters that S3 allows. */
export function bucketPrefix(owner: string, purpose: string): string {
  return prefixed(
    isToken(owner) ? owner : owner.toLowerCase().replaceAll("_", "-"),
    purpose,
    BUCKET_PREFIX_MAX,
  );
}

/** Longest name of an IAM user. */
const USER_MAX = 64;

/** Name of the user of a cluster's checkpoint store. IAM knows no regions, so the name has to. */
export function storeUserName(clusterName: string, region: string): string {
  const tail = `${region}-checkpoints`;
  return isToken(clusterName) ? tail : `${clusterName.slice(0, USER_MAX - tail.length - 1)}-${tail}`;
}

function prefixed(owner: string, purpose: string, max: number): string {
  // A reference must not be cut, and how long it will be is not known.
  if (isToken(purpose)) return isToken(owner) ? "role-" : `${owner.slice(0, max - 1)}-`;
  const tail = `${purpose.slice(0, max - 1)}-`;
  const room = max - tail.length - 1;
  if (isToken(owner) || room < 3) return tail;
  return `${owner.slice(0, room)}-${tail}`;
}

/** AWS partition of a region, as the second part of ARNs. */
export function partitionOf(region: string): "aws" | "aws-cn" | "aws-us-gov" {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** Domain of AWS services in a region. */
export function dnsSuffix(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}
