import type { EngineCapabilities } from "../engines";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/token";
import type { ValidAreas } from "./areas";

/** Checks that the engine stores checkpoints in the platform's bucket. */
export function checkStorage(
  { storage, cluster, existingCluster }: ValidAreas,
  { storage: used }: EngineCapabilities,
): Problem[] {
  if (!storage || used.in !== "path" || isToken(used.location)) return [];
  const { location } = used;
  if (!location.startsWith("s3://")) return [];
  const path = ["engine", ...used.property];
  const given = printable(location);
  const bucket = "existingBucket" in storage ? storage.existingBucket : storage.bucket;
  if (bucket === undefined) {
    return [
      {
        code: "missing",
        path: ["storage", "bucket"],
        message: `is required, because ${path.join(".")} is in a bucket`,
        allowed: `the bucket of ${location}`,
      },
    ];
  }
  const place = `s3://${bucket}/${storage.prefix}`;
  const problems: Problem[] = [];
  if (!isToken(bucket) && !isToken(storage.prefix) && !`${location.replace(/\/$/, "")}/`.startsWith(place)) {
    problems.push({
      code: "storage-mismatch",
      path,
      message: "is not in the bucket and prefix of storage",
      given,
      allowed: `${place} or below`,
    });
  }
  const region = (cluster ?? existingCluster)?.region;
  const isNew = !("existingBucket" in storage);
  const { name, property } = used.region;
  if (isNew && region !== undefined && name !== "" && name !== region) {
    problems.push({
      code: "storage-mismatch",
      path: ["engine", ...property],
      message: "is not the region of the bucket",
      given: printable(name),
      allowed: region,
    });
  }
  return problems;
}
