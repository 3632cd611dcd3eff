/** Readers on a node: containerd's configuration, lines of the host service and of watches. */
import { createServer, type Server } from "node:net";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { readRuntimeHandler } from "../../../agent/health/containerd-config";
import { NodeServiceClient, NodeServiceError } from "../../../clients/node-service";
import type { Json } from "../../../http";
import { Lines } from "../../../kube/client/lines";
import { jsonTexts, mutatedText, pumped } from "../generate";
import { attemptAsync, attempt, must, target } from "../target";

const TOML = `version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'cedana']
runtime_type = "io.containerd.runc.v2"
pod_annotations = ["cedana.ai/*"]
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'cedana'.options]
BinaryName = "/opt/cedana/cedana-runc"
SystemdCgroup = true
`;
const TOML_WORDS = [
  "[",
  "]",
  "[[",
  "'",
  '"""',
  "=",
  "imports = [",
  '"/etc/containerd/*"',
  "[z-a]",
  "*?",
  "a.b.c = 1\n",
  "1979-05-27",
  "0x",
  "inf",
  "__proto__",
  "[".repeat(3_000),
  "{a=".repeat(2_000),
];

const containerd = target({
  name: "containerd-config",
  reads: "config.toml of containerd and its imports",
  inputs: fc.record({
    main: fc.oneof(
      {
        arbitrary: mutatedText([TOML, 'imports = ["a.toml", "conf.d/[a-c]?.toml"]\n'], TOML_WORDS),
        weight: 20,
      },
      { arbitrary: pumped(["[", "a.", "'", "# ", "a=1\n", " "], 65_536), weight: 1 },
      {
        arbitrary: pumped(["*a", "?", "[a]", "*"], 240).map(
          (glob) => `imports = [${JSON.stringify(`conf.d/${glob}`)}]`,
        ),
        weight: 1,
      },
    ),
    other: mutatedText([TOML], TOML_WORDS),
  }),
  runs: 1_500,
  async check({ main, other }) {
    let reads = 0;
    const files = {
      read: async (path: string) => {
        reads += 1;
        must(path.startsWith("/"), `a relative path: ${path}`);
        return path === "/etc/containerd/config.toml" ? main : other;
      },
      list: async () => ["a.toml", "b1.toml", "c.toml.bak", "a".repeat(120)],
    };
    const { value, error } = await attemptAsync(
      () => readRuntimeHandler("/etc/containerd/config.toml", "cedana", files),
      Error,
    );
    must(reads <= 50, `${reads} files are read`);
    if (error)
      must(!error.message.includes("\n") && error.message.length < 1_000, "the error repeats the file");
    if (value === undefined) return;
    must(
      value.podAnnotations.every((one) => typeof one === "string"),
      "annotations that are not text",
    );
    must(["string", "undefined"].includes(typeof value.binary), "a binary that is not text");
  },
});

const RESPONSES = [
  { id: "state", result: { checkpoints: [], inFlight: [], plans: [], stagings: [], freeBytes: 1 } },
  {
    id: "outcome",
    result: { decision: "fresh", reason: "x", containers: [], decidedAt: "2026-01-01T00:00:00Z" },
  },
  { id: "export", result: { size: 5 } },
  { id: "stage", result: { ready: true } },
  { id: "x", error: { reason: "DumpFailed", message: "no", container: "app", remedy: "try" } },
];

/** Answers each connection with the same bytes. */
class OneAnswer {
  private readonly server: Server;
  readonly path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "s");
  text = "";

  constructor() {
    this.server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end(this.text);
      socket.resume();
    });
    this.server.unref();
  }

  private listening: Promise<void> | undefined;
  start(): Promise<void> {
    this.listening ??= new Promise((resolve) => this.server.listen(this.path, resolve));
    return this.listening;
  }
}
const answer = new OneAnswer();

const service = target({
  name: "node-service",
  reads: "lines of the host service, which another version may send",
  inputs: fc.array(
    jsonTexts(RESPONSES as unknown as Json[], ["result", "error", "size", "sha256", "reason", "message"]),
    { minLength: 1, maxLength: 3 },
  ),
  runs: 300,
  async check(lines) {
    await answer.start();
    answer.text = lines.map((line) => `${line.replaceAll("\n", " ")}\n`).join("");
    const client = new NodeServiceClient(answer.path);
    const calls = [
      () => client.state(),
      () => client.outcome("pod"),
      () => client.stage({ podUID: "p", checkpoint: "c", part: "shm", segments: [] }, async function* () {}),
      async () => {
        const part = await client.export("c", "shm");
        let bytes = 0;
        for await (const { content, release } of part.segments) {
          bytes += content.length;
          release();
          must(bytes <= 64 << 20, `${bytes} bytes from a line`);
        }
      },
    ];
    for (const call of calls) await attemptAsync<unknown>(call, NodeServiceError);
  },
});

const watchLines = target({
  name: "watch-lines",
  reads: "the stream of a watch, in any pieces",
  inputs: fc.record({
    bytes: fc.uint8Array({ maxLength: 400 }),
    text: fc.array(fc.string({ maxLength: 20 })),
    cuts: fc.array(fc.nat({ max: 400 })),
  }),
  runs: 10_000,
  check({ bytes, text, cuts }) {
    const all = Buffer.concat([bytes, Buffer.from(text.join("\n"))]);
    const whole = new Lines().push(Buffer.concat([all, Buffer.from("\n")]));
    const lines = new Lines();
    const places = [0, ...cuts.map((cut) => cut % (all.length + 1)).toSorted((a, b) => a - b), all.length];
    const pieces = places.slice(1).flatMap((end, at) => lines.push(all.subarray(places[at], end)));
    const last = lines.push(Buffer.from("\n"));
    must(JSON.stringify([...pieces, ...last]) === JSON.stringify(whole), "other lines from other pieces");
    attempt(() => lines.end());
  },
});

export const NODE_TARGETS = [containerd, service, watchLines];
