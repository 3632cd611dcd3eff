/** Segments that the service of the node asks for one by one. */
import {
  NodeServiceClient,
  NodeServiceError,
  type OpenPiece,
  type StreamDigest,
} from "../../../clients/node-service";
import { FakeNodeService, segmentOf } from "../../support/node-service";

const contents = [300_000, 5, 200_000, 1_000_000, 70_000].map((size, at) =>
  Buffer.alloc(size, `piece ${at}`),
);
const request = {
  podUID: "pod",
  checkpoint: "cp",
  part: "containers/app/images",
  segments: contents.map(segmentOf),
};

let service: FakeNodeService;
let client: NodeServiceClient;
/** Segments that were opened, in their order. */
let opened: number[];
/** How many are being read. */
let open: number;

beforeEach(async () => {
  service = await new FakeNodeService().start();
  client = new NodeServiceClient(service.socket);
  opened = [];
  open = 0;
});
afterEach(() => service.stop());

/** Reads a segment in small pieces. */
async function* reading({ sha256 }: StreamDigest, bytes?: Buffer): AsyncGenerator<Buffer> {
  const at = request.segments.findIndex((each) => each.sha256 === sha256);
  opened.push(at);
  open++;
  try {
    const content = bytes ?? contents[at]!;
    for (let from = 0; from < content.length; from += 60_000) {
      yield Buffer.from(content.subarray(from, from + 60_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    open--;
  }
}
const piece: OpenPiece = (segment) => reading(segment);
const whole = () => {
  throw new Error("all bytes were asked for");
};
const received = () => service.received.map(({ method, piece: at }) => [method, at]);

test("are sent in the order in which the service asks for them, before and after the plan", async () => {
  service.pieces = { stage: [0, 4], load: [3, 1, 2] };
  expect(await client.stage(request, whole, undefined, piece)).toBe(true);
  expect(await client.load(request, piece)).toBe(true);
  expect(received()).toEqual([
    ["stage", 0],
    ["stage", 4],
    ["load", 3],
    ["load", 1],
    ["load", 2],
  ]);
  for (const { piece: at, bytes } of service.received) expect(bytes.equals(contents[at]!)).toBe(true);
  expect(opened).toEqual([0, 4, 3, 1, 2]);
  expect(service.seen.map(({ method, params }) => [method, params["lazy"]])).toEqual([
    ["stage", true],
    ["load", undefined],
  ]);
  expect(open).toBe(0);
});

test("are not opened if none is missing", async () => {
  expect(await client.load(request, piece)).toBe(false);
  expect(opened).toEqual([]);
});

test("are all sent as one stream to a service that asks for all bytes", async () => {
  const stream = async function* () {
    yield* contents;
  };
  expect(await client.stage(request, stream, undefined, piece)).toBe(true);
  expect(service.staged.get("pod")?.get(request.part)?.equals(Buffer.concat(contents))).toBe(true);
});

test("that differ from their digests are the service's error", async () => {
  service.pieces = { stage: [], load: [2, 3] };
  const wrong = (segment: StreamDigest) => reading(segment, Buffer.alloc(segment.size));
  const error: unknown = await client.load(request, wrong).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NodeServiceError);
  expect(error).toMatchObject({ reason: "ContentInvalid" });
});

test.each([
  ["shorter", contents[2]!.subarray(1)],
  ["longer", Buffer.concat([contents[2]!, Buffer.alloc(1)])],
])("that are %s than their size are an error", async (_, bytes) => {
  service.pieces = { stage: [], load: [2] };
  await expect(client.load(request, (segment) => reading(segment, bytes))).rejects.toThrow(
    /layer of part containers\/app\/images has \d+ bytes instead of 200000|bytes are missing/,
  );
});

test("that cannot be read end the request with their error", async () => {
  service.pieces = { stage: [], load: [3, 2] };
  const broken = new Error("the registry is down");
  async function* failing(segment: StreamDigest): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10);
    if (segment.size > 10) throw broken;
  }
  await expect(client.load(request, failing)).rejects.toBe(broken);
});

test("end with the signal of the request", async () => {
  service.pieces = { stage: [], load: [3, 2] };
  const stop = new AbortController();
  const stopped = new Error("stopped");
  async function* stopping(segment: StreamDigest, options: { readonly signal: AbortSignal }) {
    yield Buffer.alloc(10);
    stop.abort(stopped);
    await new Promise((resolve) => setImmediate(resolve));
    options.signal.throwIfAborted();
    yield Buffer.alloc(segment.size - 10);
  }
  await expect(client.load(request, stopping, stop.signal)).rejects.toBe(stopped);
});

test("that never come end with the signal of the request, or with the service's error", async () => {
  service.pieces = { stage: [], load: [3, 2] };
  const stop = new AbortController();
  const stopped = new Error("stopped");
  async function* waiting(_: StreamDigest, options: { readonly signal: AbortSignal }) {
    yield* [] as Buffer[];
    setImmediate(() => stop.abort(stopped));
    await new Promise((_resolve, reject) => {
      options.signal.addEventListener("abort", () => reject(options.signal.reason as Error));
    });
  }
  await expect(client.load(request, waiting, stop.signal)).rejects.toBe(stopped);
  const lines = [
    '"result":{"ready":true,"pieces":true}',
    '"result":{"piece":1}',
    '"error":{"reason":"StageFailed","message":"no"}',
  ];
  service.fault = () => ({ raw: lines.map((each) => `{"id":"load",${each}}\n`).join("") });
  await expect(client.load(request, waiting)).rejects.toThrow("no");
});

test.each(['{"piece":5}', '{"piece":-1}', '{"piece":"0"}', '{"piece":0.5}'])(
  "that do not exist are an invalid response: %s",
  async (line) => {
    const lines = ['{"ready":true,"pieces":true}', line].map((each) => `{"id":"load","result":${each}}\n`);
    service.fault = () => ({ raw: lines.join("") });
    await expect(client.load(request, piece)).rejects.toThrow("no valid piece");
  },
);
