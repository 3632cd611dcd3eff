import { randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { checkpointJson, crc32c } from "../../testbed/node/serve";

const BLOCK_BYTES = 16 << 20;

/** Writes the directory of a checkpoint of one container, whose memory does not compress. */
export function writeCheckpoint(directory: string, uid: string, megabytes: number): void {
  const images = join(directory, "containers/app/images");
  mkdirSync(images, { recursive: true, mode: 0o700 });
  writeFileSync(join(images, "inventory.img"), "", { mode: 0o600 });
  const size = megabytes << 20;
  const files = [
    { path: "images/inventory.img", size: 0, crc32c: crc32c([]) },
    { path: "images/pages-1.img", size, crc32c: crc32c(writeRandom(join(images, "pages-1.img"), size)) },
  ];
  const pod = { uid: "source", namespace: "default", name: "source" };
  const metadata = checkpointJson({ uid, pod, containers: [{ name: "app", files }] });
  writeFileSync(join(directory, "checkpoint.json"), metadata, { mode: 0o600 });
}

/** Writes random bytes, and yields them in blocks. A block is valid until the next one. */
function* writeRandom(file: string, size: number): Generator<Buffer> {
  const target = openSync(file, "w", 0o600);
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  try {
    for (let left = size; left > 0; left -= block.length) {
      const part = randomFillSync(block.subarray(0, Math.min(left, block.length)));
      writeSync(target, part);
      yield part;
    }
  } finally {
    closeSync(target);
  }
}
