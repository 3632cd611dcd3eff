import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { pack, type Header } from "tar-stream";

export type Entry = Partial<Header> & { readonly name: string; readonly content?: Buffer | string };

/** First bytes of files of CRIU 4.2: core images of two architectures, and statistics with a freeze time of 238.09 ms. */
export const CORE_AMD64 = Buffer.from("19435654473805551c0b0000080112d0040800", "hex");
export const CORE_ARM64 = Buffer.from("19435654473805551c0b0000080312d0040800", "hex");
export const STATS = Buffer.from(
  "4059105506330957270000000a2508ba05108ac40e18c3c60320d3b003288c22300038d7214000480050085808600068007000",
  "hex",
);

export const BASE_DIGEST = `sha256:${"ab".repeat(32)}`;
export const CONFIG = {
  id: "6f53",
  name: "count_web-0_shop_uid_0",
  rootfsImage: "registry.example.com/count:1",
  rootfsImageRef: `registry.example.com/count@${BASE_DIGEST}`,
  rootfsImageName: "registry.example.com/count:1",
  runtime: "io.containerd.runc.v2",
  checkpointedTime: "2026-11-21T15:16:08.788598577Z",
};
const POD = "/var/lib/kubelet/pods/0058d071";
export const SPEC = {
  process: { env: ["PATH=/bin", "HOSTNAME=web-0", "API_KEY=do-not-show-me"] },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    {
      destination: "/scratch",
      source: `${POD}/volumes/kubernetes.io~empty-dir/scratch`,
      options: ["rbind", "rw"],
    },
    {
      destination: "/etc/app",
      source: `${POD}/volumes/kubernetes.io~configmap/app`,
      options: ["rbind", "ro"],
    },
    { destination: "/etc/hosts", source: `${POD}/etc-hosts` },
    { destination: "/dev/shm", source: "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/1/shm" },
    {
      destination: "/var/run/secrets/kubernetes.io/serviceaccount",
      source: `${POD}/volumes/kubernetes.io~projected/kube-api-access-x`,
    },
  ],
  annotations: {
    "io.kubernetes.cri.container-name": "count",
    "io.kubernetes.cri.sandbox-name": "web-0",
    "io.kubernetes.cri.sandbox-namespace": "shop",
    "io.kubernetes.cri.sandbox-uid": "0058d071",
  },
};

/** Returns the entries of an archive as containerd writes it. */
export function entries(changed: { readonly config?: object; readonly spec?: object } = {}): Entry[] {
  return [
    { name: "checkpoint/", type: "directory" },
    { name: "checkpoint/core-1.img", content: CORE_AMD64 },
    { name: "checkpoint/core-2.img", content: CORE_AMD64 },
    { name: "checkpoint/pages-1.img", content: Buffer.alloc(70_000, "memory") },
    { name: "config.dump", content: JSON.stringify({ ...CONFIG, ...changed.config }) },
    { name: "dump.log", content: `(00.000092) Version: 4.2.1 (gitid 0)\n${"x".repeat(9000)}` },
    { name: "rootfs-diff.tar", content: Buffer.alloc(323) },
    { name: "spec.dump", content: JSON.stringify({ ...SPEC, ...changed.spec }) },
    { name: "stats-dump", content: STATS },
    { name: "status.dump", content: "{}" },
  ];
}

/** Returns a tar archive. The same entries give the same bytes. */
export async function tarOf(all: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...header } of all)
    tar.entry({ mtime: new Date(0), ...header }, Buffer.from(content));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function writeArchive(file: string, all: readonly Entry[] = entries()): Promise<Buffer> {
  const bytes = await tarOf(all);
  await pipeline([bytes], createWriteStream(file));
  return bytes;
}
