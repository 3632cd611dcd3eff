import {
  NodeServiceClient,
  NodeServiceError,
  type ExportedPart,
  type StageRequest,
} from "../../../clients/node-service";
import { checkpointMetadata, FakeNodeService, segmentOf } from "../../support/node-service";

const memory = Buffer.alloc(1_000_000, "memory of a process");
const image = "containers/app/images";

let service: FakeNodeService;
let client: NodeServiceClient;

beforeEach(async () => {
  service = await new FakeNodeService().start();
  service.add(checkpointMetadata(), { [image]: memory });
  client = new NodeServiceClient(service.socket);
});
afterEach(() => service.stop());

/** Reads a part. Its memory is used again for each segment. */
async function read({ segments }: ExportedPart): Promise<Buffer> {
  const contents: Buffer[] = [];
  for await (const { content, release, ...digest } of segments) {
    expect(segmentOf(content)).toEqual(digest);
    contents.push(Buffer.from(content));
    release();
  }
  return Buffer.concat(contents);
}

async function failure(work: Promise<unknown>): Promise<NodeServiceError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(NodeServiceError);
  return error as NodeServiceError;
}

/** Waits until the client closed all connections. */
const closed = async () => {
  while (service.openConnections > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(service.openConnections).toBe(0);
};

describe("requests", () => {
  test("sends parameters and returns the result", async () => {
    service.results.set("checkpoint", { checkpoint: checkpointMetadata(), directory: "/d", timings: {} });
    const request = { uid: "cp", podUID: "pod-1", containers: [{ name: "app", image: "" }], stop: true };
    const { checkpoint, directory } = await client.checkpoint(request);
    expect([checkpoint.uid, directory]).toEqual(["cp", "/d"]);
    expect(service.seen).toEqual([{ method: "checkpoint", params: request }]);
    await closed();
  });

  test.each([
    "null",
    "[]",
    '{"id":"state"}',
    '{"id":"state","result":null}',
    '{"id":"state","error":null}',
    '{"id":"state","error":{"message":1}}',
  ])("reports the response %s as none", async (line) => {
    service.fault = () => ({ raw: `${line}\n` });
    expect(await failure(client.state())).toMatchObject({ reason: "Unavailable", retryable: true });
    await closed();
  });

  test.each([{ ready: "yes" }, {}])("does not take %j for a request of a part", async (result) => {
    service.fault = () => ({ raw: `${JSON.stringify({ id: "stage", result })}\n` });
    const request = { podUID: "p", checkpoint: "c", part: "shm", segments: [] };
    expect((await failure(client.stage(request, () => (async function* () {})()))).message).toContain(
      "ready",
    );
  });

  test.each([-1, 0.5, "1", null, 2 ** 53])(
    "reports a part of %j bytes as a malformed response",
    async (size) => {
      service.fault = () => ({ raw: `${JSON.stringify({ id: "export", result: { size } })}\n` });
      expect((await failure(client.export("cp", "shm"))).message).toContain("size");
    },
  );

  test("reports an outcome with an invalid time", async () => {
    service.results.set("outcome", { decision: "fresh", containers: [], decidedAt: "yesterday" });
    expect((await failure(client.outcome("p"))).message).toContain("invalid time");
  });

  test("sends the deadline of a plan in RFC 3339", async () => {
    const plan = { podUID: "p", checkpoint: "cp", fallback: "fresh", restart: "again", lazy: false } as const;
    await client.lay({ ...plan, deadline: new Date(0) });
    await client.replan({ podUID: "p", checkpoint: "cp", reserveBytes: 1 });
    await client.forgetPlan("p");
    await client.forget("cp");
    expect(service.seen).toEqual([
      { method: "lay", params: { ...plan, deadline: "1970-01-01T00:00:00.000Z" } },
      { method: "replan", params: { podUID: "p", checkpoint: "cp", reserveBytes: 1 } },
      { method: "forgetPlan", params: { podUID: "p" } },
      { method: "forget", params: { uid: "cp" } },
    ]);
  });

  test("returns the memory of pods", async () => {
    const memory = { p: { app: 7 } };
    service.results.set("usage", { memory });
    expect(await client.usage(["p", "q"])).toEqual({ memory });
    expect(service.seen).toEqual([{ method: "usage", params: { podUIDs: ["p", "q"] } }]);
  });

  test("declines a restore", async () => {
    const request = { podUID: "p", reason: "CheckpointInvalid", message: "m", fallback: "fail" } as const;
    await client.decline(request);
    expect(service.seen).toEqual([{ method: "decline", params: request }]);
    service.fault = () => ({ reason: "PodStarted" });
    expect(await failure(client.decline(request))).toMatchObject({ reason: "PodStarted", retryable: false });
  });

  test("returns times of an outcome as dates", async () => {
    service.results.set("outcome", { decision: "", containers: [] });
    expect(await client.outcome("p")).toEqual({ decision: "", containers: [] });
    const decided = { decision: "restore", checkpoint: "cp", containers: [] };
    service.results.set("outcome", { ...decided, decidedAt: "2026-11-27T09:00:00Z" });
    expect(await client.outcome("p")).toEqual({ ...decided, decidedAt: new Date("2026-11-27T09:00:00Z") });
  });

  test("throws reason, container and remedy of the service", async () => {
    service.fault = () => ({ reason: "DumpFailed", message: "m", container: "app", remedy: "r" });
    const error = await failure(client.state());
    expect(error).toMatchObject({ reason: "DumpFailed", container: "app", remedy: "r", retryable: false });
    expect(error.message).toBe("container app: m");
  });

  test.each(["InUse", "InsufficientSpace", "CheckpointInFlight", "CheckpointNotStaged", "Interrupted"])(
    "can be repeated after %s",
    async (reason) => {
      service.fault = () => ({ reason });
      expect((await failure(client.state())).retryable).toBe(true);
    },
  );

  test.each([
    ["", "closed the connection"],
    ["no JSON\n", "not JSON"],
    ['{"id":"1","result":', "closed the connection"],
  ])("reports the response %j", async (raw, message) => {
    service.fault = () => ({ raw });
    const error = await failure(client.state());
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ reason: "Unavailable", retryable: true });
  });

  test("reports a service that does not run, with a remedy", async () => {
    const error = await failure(new NodeServiceClient(`${service.socket}.none`).state());
    expect(error).toMatchObject({ reason: "Unavailable", retryable: true });
    expect(error.remedy).toContain("cedana-noded");
  });

  test("ends with its signal", async () => {
    service.fault = () => "silent";
    const stop = new AbortController();
    const stopped = new Error("stopped");
    const waiting = client.state(stop.signal);
    while (service.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(stopped);
    await expect(waiting).rejects.toBe(stopped);
    await expect(client.state(stop.signal)).rejects.toBe(stopped);
    await closed();
  });
});

describe("export", () => {
  test.each([7_777, 50_000, 2_000_000])("returns size and bytes, in segments of %i", async (segmentBytes) => {
    service.segmentBytes = segmentBytes;
    const part = await client.export("cp", image);
    expect(part.uncompressedSize).toBe(2 * memory.length);
    expect((await read(part)).equals(memory)).toBe(true);
    await closed();
  });

  test("throws the reason of a part that the checkpoint has not", async () => {
    expect((await failure(client.export("cp", "shm"))).reason).toBe("PartNotFound");
    await closed();
  });

  test("throws the reason of an error in the middle", async () => {
    service.fault = () => ({ failAfter: 100_000, reason: "ExportFailed" });
    const part = await client.export("cp", image);
    expect((await failure(read(part))).reason).toBe("ExportFailed");
  });

  test("does not take a broken stream for a complete one", async () => {
    service.fault = () => ({ cutAfter: 100_000 });
    const part = await client.export("cp", image);
    expect((await failure(read(part))).reason).toBe("Unavailable");
  });

  test("closes its connection when it is closed, and when its reader stops", async () => {
    (await client.export("cp", image)).close();
    for await (const _ of (await client.export("cp", image)).segments) break;
    await closed();
    expect(service.seen).toHaveLength(2);
  });

  test("ends with its signal", async () => {
    const stop = new AbortController();
    const part = await client.export("cp", image, stop.signal);
    const stopped = new Error("stopped");
    const reading = (async () => {
      for await (const _ of part.segments) stop.abort(stopped);
    })();
    await expect(reading).rejects.toBe(stopped);
    await closed();
  });
});

describe("stage", () => {
  const request: StageRequest = {
    podUID: "pod-2",
    checkpoint: "cp",
    part: image,
    segments: [memory.subarray(0, 400_000), memory.subarray(400_000)].map(segmentOf),
  };
  const endlessly = { ...request, segments: [{ size: 2 ** 40, sha256: "0".repeat(64) }] };
  async function* pieces(bytes: Buffer, size = 70_000) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  test("sends the bytes once", async () => {
    let opened = 0;
    const open = () => (opened++, pieces(memory));
    expect(await client.stage(request, open)).toBe(true);
    expect(await client.stage(request, open)).toBe(false);
    expect(opened).toBe(1);
    expect(service.staged.get("pod-2")?.get(image)?.equals(memory)).toBe(true);
    expect(service.seen[0]?.params).toEqual(request);
    await closed();
  });

  test("opens nothing if the service rejects the request", async () => {
    service.fault = () => ({ reason: "PodStarted" });
    const open = () => {
      throw new Error("opened");
    };
    expect((await failure(client.stage(request, open))).reason).toBe("PodStarted");
  });

  test("stops reading the source when the service fails early", async () => {
    service.fault = () => ({ cutAfter: 50_000 });
    let ended = false;
    async function* endless() {
      try {
        for (;;) {
          yield memory.subarray(0, 10_000);
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        ended = true;
      }
    }
    expect((await failure(client.stage(endlessly, endless))).reason).toBe("InsufficientSpace");
    expect(ended).toBe(true);
    await closed();
  });

  test("throws what the source throws", async () => {
    const broken = new Error("the source failed");
    async function* failing() {
      yield memory;
      throw broken;
    }
    await expect(client.stage(endlessly, failing)).rejects.toBe(broken);
    await closed();
    expect(service.staged.get("pod-2")?.size).toBe(0);
  });

  test.each([
    ["fewer bytes", memory.subarray(1), "bytes are missing"],
    ["more bytes", Buffer.concat([memory, memory]), "more than 1000000 bytes"],
    ["other bytes", Buffer.alloc(memory.length), "the content differs"],
  ])("fails with %s", async (_, bytes, message) => {
    await expect(client.stage(request, () => pieces(bytes))).rejects.toThrow(message);
    await closed();
  });

  test("ends with its signal", async () => {
    const stop = new AbortController();
    const stopped = new Error("stopped");
    async function* stopping() {
      yield memory;
      stop.abort(stopped);
      yield memory;
    }
    await expect(client.stage(endlessly, stopping, stop.signal)).rejects.toBe(stopped);
    await closed();
  });
});
