import { storageOf } from "../engines";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/token";
import type { ValidAreas } from "./areas";

/** Checks that the engine stores checkpoints in the platform's bucket. */
export function checkStorage({ storage, engine, cluster, existingCluster }: ValidAreas): Problem[] {
  if (!storage || engine?.kind !== "cedana" || storageOf(engine.checkpointDir) !== "s3") return [];
  if (isToken(engine.checkpointDir)) return [];
  const path = ["engine", "checkpointDir"];
  const given = printable(engine.checkpointDir);
  const bucket = "existingBucket" in storage ? storage.existingBucket : storage.bucket;
  if (bucket === undefined) {
    return [
      {
        code: "missing",
        path: ["storage", "bucket"],
        message: "is required, because engine.checkpointDir names a bucket",
        allowed: `the bucket of ${engine.checkpointDir}`,
      },
    ];
  }
  const place = `s3://${bucket}/${storage.prefix}`;
  const problems: Problem[] = [];
  if (
    !isToken(bucket) &&
    !isToken(storage.prefix) &&
    !`${engine.checkpointDir.replace(/\/$/, "")}/`.startsWith(place)
  ) {
    problems.push({
      code: "storage-mismatch",
      path,
      message: "is not in the bucket and prefix of storage",
      given,
      allowed: `${place} or below`,
    });
  }
  const region = (cluster ?? existingCluster)?.region;
  const made = !("existingBucket" in storage);
  if (made && region !== undefined && engine.awsRegion !== "" && engine.awsRegion !== region) {
    problems.push({
      code: "storage-mismatch",
      path: ["engine", "awsRegion"],
      message: "is not the region of the bucket",
      given: printable(engine.awsRegion),
      allowed: region,
    });
  }
  return problems;
}
