/** The host service and a registry as processes of this machine, without a node, and the checkpoints that the service has. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { CheckpointMetadata } from "../../clients/node-service";
import { ROOT, run } from "./run";

/** crane of the test bed. */
export const CRANE = join(
  process.env["TESTBED_CACHE"] ?? join(homedir(), ".cache/cedana-testbed"),
  "bin/crane",
);

/** Builds the program that serves the methods of the host service on `run/node.sock` of a directory. Needs Go. */
export function buildService(program: string): void {
  run("go", ["build", "-o", program, "./test/serve"], {
    cwd: join(ROOT, "runtime"),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
}

/** Starts the host service on a directory. */
export async function startService(program: string, directory: string): Promise<ChildProcess> {
  const service = spawn(program, [directory], { stdio: ["ignore", "pipe", "inherit"] });
  // It prints a line once it listens.
  await once(createInterface(service.stdout), "line");
  return service;
}

/**
 * Starts a registry on a free port.
 * @param folder of the blobs. Default: they are in its memory
 */
export async function startRegistry(
  folder?: string,
): Promise<{ readonly host: string; readonly process: ChildProcess }> {
  const host = `localhost:${await freePort()}`;
  const storage = folder === undefined ? [] : ["--disk", folder];
  const registry = spawn(CRANE, ["registry", "serve", "--address", host, ...storage], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  // It logs its address once it listens, and then each request.
  await once(registry.stderr, "data");
  registry.stderr.resume();
  return { host, process: registry };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** CRC-32 with Castagnoli's polynomial. Node.js has only that of Ethernet. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

/** Returns the CRC32C of buffers one after the other, as `checkpoint.json` has it. */
export function crc32c(parts: Iterable<Buffer>): string {
  let crc = ~0;
  for (const part of parts) for (const byte of part) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255]!;
  return (~crc >>> 0).toString(16).padStart(8, "0");
}

const NOTHING = createHash("sha256").digest("hex");
const SECURITY = {
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

/** Returns `checkpoint.json` of a pod, with the files that its containers have. */
export function checkpointJson({
  uid,
  pod,
  containers,
  ...more
}: Pick<CheckpointMetadata, "uid" | "pod"> &
  Partial<Pick<CheckpointMetadata, "volumes" | "sharedMemory">> & {
    readonly containers: readonly { readonly name: string; readonly files: readonly object[] }[];
  }): Buffer {
  const node = {
    kernel: "6.1.0",
    architecture: "amd64",
    cpuFeatures: [],
    cgroup: "v1",
    criu: "4.2.1",
    runc: "1.4.3",
  };
  const metadata = {
    version: 1,
    uid,
    createdAt: "2026-11-27T09:00:00Z",
    pod,
    node,
    tcp: "close",
    podIPs: [],
    hostname: pod.name,
    containers: containers.map((container) => ({
      image: "",
      security: SECURITY,
      mounts: [],
      terminal: false,
      ...container,
    })),
    volumes: [],
    frozenNanoseconds: 5,
    ...more,
  };
  return Buffer.from(JSON.stringify(metadata));
}
