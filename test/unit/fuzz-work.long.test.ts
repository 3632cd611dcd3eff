/** The work of readers grows with the length of their input, not with its square: counted, not timed. */
import { growth, stopCounting, workOf } from "../fuzz/work";
import { ARTIFACT_TYPE } from "../../api";
import { parseManifest, MANIFEST } from "../../agent/artifact/manifest";
import { parseMetadata } from "../../agent/artifact/metadata";
import { readRuntimeHandler } from "../../agent/health/containerd-config";
import { credentialsFor, parseReference } from "../../clients/registry";
import { parseChallenges } from "../../clients/registry/authorization";
import { readPlatform } from "../../config/platform/file";
import { parseDuration } from "../../config/schema/quantity";
import { decide, mutation, projectAdmittedPod, readRequest } from "../../controller/restore/decision";
import { Lines } from "../../kube/client/lines";
import { readReview } from "../../kube/webhook/review";
import type { Json } from "../../http";
import { byPlan, checkpoint, CLASSES, NODES, podJson } from "./controller/restore/support";

const SUM = "0a".repeat(32);
const many = <T>(times: number, one: (at: number) => T) => Array.from({ length: times }, (_, at) => one(at));
const ignoring = (call: () => unknown) => {
  try {
    call();
  } catch {
    // Invalid input is read as well.
  }
};
const layer = (at: number) => ({
  mediaType: "application/vnd.cedana.checkpoint.volume.v1.tar+zstd",
  digest: `sha256:${SUM}`,
  size: 1,
  annotations: { "ai.cedana.checkpoint.part": `volumes/v${at}`, "ai.cedana.checkpoint.segment": "1/1" },
});
const PLACEMENTS = { nodeSelector: NODES, methods: byPlan(CLASSES) };

/** Each reads an input whose length is proportional to the number. */
const READERS: readonly (readonly [string, (times: number) => unknown])[] = [
  ["image reference", (times) => ignoring(() => parseReference(`r.example.com/${"a/".repeat(times)}a`))],
  ["challenges", (times) => parseChallenges('Bearer realm="a",b="c" '.repeat(times))],
  [
    "pull secret",
    (times) => {
      const auths = Object.fromEntries(many(times, (at) => [`r${at}.example.com`, { auth: "dTpw" }]));
      credentialsFor(JSON.stringify({ auths }), "r1.example.com", "a");
    },
  ],
  [
    "manifest",
    (times) => {
      const config = {
        mediaType: "application/vnd.cedana.checkpoint.v1+json",
        digest: `sha256:${SUM}`,
        size: 1,
      };
      const manifest = { artifactType: ARTIFACT_TYPE, config, layers: many(times, layer) };
      parseManifest("r.example.com/a", MANIFEST, Buffer.from(JSON.stringify(manifest)));
    },
  ],
  [
    "metadata",
    (times) => {
      const containers = many(times, (at) => ({ name: `c${at}`, files: [{ path: "images/x" }], mounts: [] }));
      ignoring(() => parseMetadata("r", Buffer.from(JSON.stringify({ version: 1, containers }))));
    },
  ],
  [
    "configuration of containerd",
    (times) =>
      readRuntimeHandler("/a.toml", "x", {
        read: async () => many(times, (at) => `[plugins.'p${at}']\na = 1\n`).join(""),
        list: async () => [],
      }),
  ],
  [
    "pattern of an import",
    (times) =>
      readRuntimeHandler("/a.toml", "x", {
        read: async (path) => {
          if (path === "/a.toml") return `imports = ["/d/*${"a".repeat(40)}*"]`;
          throw new Error("not read");
        },
        list: async () => [`${"a".repeat(39)}b`.repeat(Math.ceil(times / 40))],
      }),
  ],
  [
    "cedana.yaml",
    (times) => readPlatform(`version: 1\n${many(times, (at) => `key${at}: { a: 1 }\n`).join("")}`),
  ],
  ["cedana.yaml with one key many times", (times) => readPlatform("a:\n".repeat(times))],
  ["duration", (times) => parseDuration("1s".repeat(times))],
  ["watch in one piece", (times) => new Lines().push(Buffer.from('{"type":"ADDED"}\n'.repeat(times)))],
  [
    "watch in single bytes",
    (times) => {
      const lines = new Lines();
      for (const byte of Buffer.from("abc".repeat(times))) lines.push(Buffer.from([byte]));
    },
  ],
  [
    "review",
    (times) => {
      const object = podJson({ containers: many(times, (at) => ({ name: `c${at}`, image: "i:1" })) });
      const request = { uid: "u", operation: "CREATE", resource: { resource: "pods" }, object };
      readReview(JSON.stringify({ apiVersion: "admission.k8s.io/v1", request }));
      projectAdmittedPod(object as unknown as Json);
    },
  ],
  [
    "decision among Checkpoints",
    (times) => {
      const raw = podJson() as unknown as Json;
      const pod = projectAdmittedPod(raw);
      const request = readRequest(pod.annotations);
      if (typeof request === "string") throw new Error(request);
      const all = many(times, (at) => checkpoint({ name: `c${at}`, minutes: at % 50, podUID: `p${at}` }));
      const decision = decide(pod, request, all, { running: new Set(), ...PLACEMENTS });
      if (decision.is === "restore") mutation(raw, decision, "claim", PLACEMENTS);
    },
  ],
];

afterAll(stopCounting);

test.each(READERS)("%s", async (_, read) => {
  expect(await growth(read, 400)).toBeUndefined();
});

test("finds a reader whose work grows with the square of the length", async () => {
  const quadratic = (times: number) => {
    const text = "a".repeat(times);
    let found = 0;
    for (const one of text) for (const other of text) if (one === other) found += 1;
    return found;
  };
  expect(await growth(quadratic, 400)).toBeGreaterThan(3.5);
  const [small, large] = [await workOf(() => quadratic(10)), await workOf(() => quadratic(100))];
  // One block for each comparison.
  expect(small).toBeLessThan(1_000);
  expect(large).toBeGreaterThan(10_000);
  expect(large).toBeLessThan(12_000);
});
