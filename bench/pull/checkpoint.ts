import { createHash, randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const BLOCK_BYTES = 16 << 20;
const NOTHING = createHash("sha256").digest("hex");

/** CRC-32 with Castagnoli's polynomial. Node.js has only that of Ethernet. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

/** Writes the directory of a checkpoint of one container, whose memory does not compress. */
export function writeCheckpoint(directory: string, uid: string, megabytes: number): void {
  const images = join(directory, "containers/app/images");
  mkdirSync(images, { recursive: true, mode: 0o700 });
  writeFileSync(join(images, "inventory.img"), "", { mode: 0o600 });
  const pages = openSync(join(images, "pages-1.img"), "w", 0o600);
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  const size = megabytes << 20;
  let crc = ~0;
  for (let left = size; left > 0; left -= block.length) {
    const part = randomFillSync(block.subarray(0, Math.min(left, block.length)));
    for (const byte of part) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255]!;
    writeSync(pages, part);
  }
  closeSync(pages);
  const security = {
    uid: 0,
    gid: 0,
    groups: [],
    capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    noNewPrivileges: false,
    seccomp: "unconfined",
    apparmor: "",
    selinux: "",
    readonlyRoot: false,
    maskedPaths: NOTHING,
    readonlyPaths: NOTHING,
    userNamespace: false,
  };
  const crc32c = (~crc >>> 0).toString(16).padStart(8, "0");
  const files = [
    { path: "images/inventory.img", size: 0, crc32c: "0".repeat(8) },
    { path: "images/pages-1.img", size, crc32c },
  ];
  const metadata = {
    version: 1,
    uid,
    createdAt: "2026-11-27T09:00:00Z",
    pod: { uid: "source", namespace: "default", name: "source" },
    node: {
      kernel: "6.1.0",
      architecture: "amd64",
      cpuFeatures: [],
      cgroup: "v1",
      criu: "4.2.1",
      runc: "1.4.3",
    },
    tcp: "close",
    podIPs: [],
    hostname: "source",
    containers: [{ name: "app", image: "", security, mounts: [], terminal: false, files }],
    volumes: [],
    frozenNanoseconds: 1,
  };
  writeFileSync(join(directory, "checkpoint.json"), JSON.stringify(metadata), { mode: 0o600 });
}
