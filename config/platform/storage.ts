import { storageOf } from "../engines";
import type { Problem } from "../schema/problem";
import { printable } from "../schema/problem";
import type { RightAreas } from "./areas";

/** Whether checkpoints go where there is a bucket for them. */
export function checkStorage({ storage, engine, cluster, existingCluster }: RightAreas): Problem[] {
  if (!storage || engine?.kind !== "cedana" || storageOf(engine.checkpointDir) !== "s3") return [];
  const path = ["engine", "checkpointDir"];
  const given = printable(engine.checkpointDir);
  const bucket = "existingBucket" in storage ? storage.existingBucket : storage.bucket;
  if (bucket === undefined) {
    return [
      {
        code: "missing",
        path: ["storage", "bucket"],
        message:
          "is required here, because engine.checkpointDir names a bucket and AWS would complete another name",
        allowed: `the bucket of ${engine.checkpointDir}`,
      },
    ];
  }
  const place = `s3://${bucket}/${storage.prefix}`;
  const problems: Problem[] = [];
  if (!`${engine.checkpointDir.replace(/\/$/, "")}/`.startsWith(place)) {
    problems.push({
      code: "store-elsewhere",
      path,
      message: "is not in the bucket and prefix of storage, where access is granted",
      given,
      allowed: `${place} or below`,
    });
  }
  const region = (cluster ?? existingCluster)?.region;
  const made = !("existingBucket" in storage);
  if (made && region !== undefined && engine.awsRegion !== "" && engine.awsRegion !== region) {
    problems.push({
      code: "store-elsewhere",
      path: ["engine", "awsRegion"],
      message: "is not the region of the bucket, which is made in that of the cluster",
      given: printable(engine.awsRegion),
      allowed: region,
    });
  }
  return problems;
}
