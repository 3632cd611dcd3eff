import { isToken } from "../token";

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

function prefixed(owner: string, purpose: string, max: number): string {
  const tail = `${purpose.slice(0, max - 1)}-`;
  const room = max - tail.length - 1;
  if (isToken(owner) || room < 3) return tail;
  return `${owner.slice(0, room)}-${tail}`;
}
