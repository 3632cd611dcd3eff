/** Readers of a checkpoint's artifact: manifest and metadata, as a registry sends them. */
import * as fc from "fast-check";
import { ArtifactError } from "../../../agent/artifact";
import { ARTIFACT_TYPE } from "../../../api";
import { checkParts, MANIFEST, manifestOf, parseManifest } from "../../../agent/artifact/manifest";
import { parseMetadata } from "../../../agent/artifact/metadata";
import { mediaTypeOf, partsOf } from "../../../agent/artifact/parts";
import { resultOf } from "../../../agent/engines/criu/result";
import type { CheckpointMetadata } from "../../../clients/node-service";
import type { Json } from "../../../http";
import { jsonTexts, mutatedText } from "../generate";
import { attempt, must, target } from "../target";

const SUM = "0a".repeat(32);
const FILE = { size: 10, crc32c: "00000000" };
const CHECKPOINT: CheckpointMetadata = {
  version: 1,
  uid: "11111111-2222-3333-4444-555555555555",
  createdAt: "2026-01-01T00:00:00Z",
  pod: { uid: "pod-uid", namespace: "team-a", name: "web" },
  node: { kernel: "6.1.0", architecture: "amd64", cgroup: "v2", criu: "4.2", runc: "1.3.6" },
  tcp: "close",
  containers: [
    {
      name: "app",
      image: `sha256:${SUM}`,
      mounts: [
        { destination: "/data", type: "bind" },
        { destination: "/cache", type: "bind", volume: "cache" },
      ],
      files: [
        { path: "rootfs.tar", ...FILE },
        { path: "images/pages-1.img", ...FILE },
      ],
    },
  ],
  volumes: [{ name: "cache", ...FILE }],
  sharedMemory: FILE,
  preDump: { passes: 1, frozenNanoseconds: 5 },
  frozenNanoseconds: 1_000,
};
const PARTS = partsOf(CHECKPOINT).map((part) => ({
  part,
  segments: [
    { sha256: SUM, size: 7 },
    { sha256: SUM, size: 3 },
  ],
  uncompressedSize: 20,
}));
const MANIFEST_JSON = JSON.parse(manifestOf(CHECKPOINT, { sha256: SUM, size: 9 }, PARTS).toString()) as Json;
const WORDS = [
  "containers/app/images",
  "shm",
  "volumes/../x",
  "volumes/cache",
  "1/1",
  "2/2",
  `sha256:${SUM}`,
  "layers",
  "annotations",
  "containers/__proto__/images",
];

const manifests = target({
  name: "artifact-manifest",
  reads: "manifest of a checkpoint's artifact",
  inputs: fc.record({
    text: jsonTexts([MANIFEST_JSON], WORDS),
    mediaType: fc.oneof(
      { arbitrary: fc.constant(MANIFEST), weight: 9 },
      { arbitrary: mutatedText([`${MANIFEST}; charset=utf-8`]), weight: 1 },
    ),
  }),
  runs: 3_000,
  check({ text, mediaType }) {
    const { value, error } = attempt(
      () => parseManifest("r.example.com/a", mediaType, Buffer.from(text)),
      ArtifactError,
    );
    if (error) must(error.message.length < 2_000, "the error repeats the manifest");
    if (value === undefined) return;
    const { config, parts } = value;
    for (const { sha256, size } of [config, ...parts.flatMap(({ segments }) => segments)]) {
      must(/^[0-9a-f]{64}$/.test(sha256), "a checksum that is none");
      must(Number.isSafeInteger(size) && size > 0, `a layer of ${size} bytes`);
    }
    must(config.size <= 4 << 20, "the config is larger than its limit");
    must(new Set(parts.map(({ part }) => part)).size === parts.length, "a part twice");
    must(
      parts.every(({ segments }) => segments.length > 0),
      "a part without a layer",
    );
    // What was read is written with the same layers.
    const stored = parts.map(({ part, segments }) => ({ part, segments, uncompressedSize: 1 }));
    const again = parseManifest("r.example.com/a", MANIFEST, manifestOf(CHECKPOINT, config, stored));
    must(JSON.stringify(again) === JSON.stringify(value), "other layers once it is written");
    // A part that the checkpoint does not name is never staged.
    const { error: wrong } = attempt(() => checkParts("r.example.com/a", value, CHECKPOINT), ArtifactError);
    const names = parts
      .map(({ part }) => part)
      .toSorted()
      .join();
    must(
      (wrong === undefined) === (names === partsOf(CHECKPOINT).toSorted().join()),
      `accepted parts ${names}`,
    );
  },
});

const metadata = target({
  name: "checkpoint-metadata",
  reads: "checkpoint.json of an artifact",
  inputs: jsonTexts(
    [CHECKPOINT as unknown as Json],
    [...WORDS, "rootfs.tar", "images/x", "files", "mounts", "name", "volumes"],
  ),
  runs: 4_000,
  check(text) {
    const { value, error } = attempt(
      () => parseMetadata("r.example.com/a", Buffer.from(text)),
      ArtifactError,
    );
    if (error) must(error.message.length < 2_000, "the error repeats the metadata");
    if (value === undefined) return;
    for (const part of partsOf(value)) {
      must(
        /^(containers\/[a-z0-9-]{1,63}\/(images|rootfs)|volumes\/[a-z0-9-]{1,63}|shm)$/.test(part),
        `part ${part}`,
      );
      must(mediaTypeOf(part).startsWith(ARTIFACT_TYPE.replace(/\.v1$/, "")), `media type of ${part}`);
    }
    // The agent writes the status from it.
    const pushed = { image: "r", digest: "d", sizeBytes: 1, metadata: value };
    const spec = {
      nodeName: "n",
      podRef: { namespace: "a", name: "b", uid: "c" },
      image: "r:x",
      timeoutSeconds: 1,
    };
    const { value: status } = attempt(() => resultOf(spec as never, pushed as never));
    must(status !== undefined, "no status");
  },
});

export const ARTIFACT_TARGETS = [manifests, metadata];
