import { MemoryWatcher } from "../../../../../agent/engines/criu/memory-watcher";
import { NODE_MEMORY_WATCH } from "../../../../../api";
import { NodeServiceError, type PodUsage } from "../../../../../clients/node-service";
import { Cache, Client, createLogger, type CustomResource, type Kind } from "../../../../../kube";
import { FakeApi, type Stored } from "../../../../../testbed/fake-api";

const WATCHES = "/apis/automation.cedana.ai/v1alpha1/namespaces/cedana-system/nodememorywatches";
const PATH = `${WATCHES}/n1`;
const START = Date.parse("2026-11-28T00:00:00Z");
const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
const silent = createLogger({ level: "error", destination: { write: () => {} } });

let api: FakeApi;
let used: Record<string, Record<string, number>>;
let failure: Error | undefined;
let asked: (readonly string[])[];
let bodies: { readonly content: { readonly status?: unknown } }[];
let stops: AbortController[];

beforeEach(() => {
  jest.useFakeTimers({ now: START });
  [api, used, failure, asked, bodies, stops] = [new FakeApi(), {}, undefined, [], [], []];
  const send = api.send.bind(api);
  api.send = (method, path, body, ...more) => {
    if (method === "PATCH") bodies.push(body as (typeof bodies)[number]);
    return send(method, path, body, ...more);
  };
});
afterEach(async () => {
  for (const stop of stops) stop.abort();
  await seconds(0);
  jest.useRealTimers();
});

/** Starts the watcher of an agent. @returns the function that ends it */
async function start(): Promise<() => Promise<void>> {
  const stop = new AbortController();
  stops.push(stop);
  const cache = new Cache({ transport: api, log: silent });
  const usage = async (podUIDs: readonly string[]): Promise<PodUsage> => {
    asked.push(podUIDs);
    if (failure) throw failure;
    return { memory: Object.fromEntries(Object.entries(used).filter(([uid]) => podUIDs.includes(uid))) };
  };
  const watcher = new MemoryWatcher(
    { usage },
    {
      client: new Client(api, { fieldManager: "cedana-agent" }),
      objects: <Spec, Status>(kind: Kind<CustomResource<Spec, Status>>) =>
        cache.objects(kind, { namespaces: ["cedana-system"], labelSelector: "automation.cedana.ai/node=n1" }),
      log: silent,
      stop: stop.signal,
    },
  );
  void cache.run(stop.signal);
  await seconds(0);
  await watcher.start();
  return async () => {
    stop.abort();
    await seconds(0);
    await watcher.drained();
  };
}

/** Creates or replaces the object of the node, with a watch of one container of each pod. */
function put(pods: readonly string[], generation = 1): Stored {
  const status = api.get(PATH)?.["status"];
  return api.put(WATCHES, {
    apiVersion: NODE_MEMORY_WATCH.apiVersion,
    kind: "NodeMemoryWatch",
    metadata: {
      name: "n1",
      namespace: "cedana-system",
      uid: "watch",
      generation,
      labels: { "automation.cedana.ai/node": "n1" },
    },
    spec: {
      nodeName: "n1",
      watches: pods.map((podUID, index) => ({
        id: `000000000000000${index}`,
        podUID,
        policyUID: "policy",
        forSeconds: 0,
        thresholds: [{ containers: ["app"], fireBytes: 80, rearmBytes: 72 }],
      })),
    },
    ...(status ? { status } : {}),
  } as never);
}

/** Returns the status that was applied last: the fake API merges it, and removes no fields. */
const applied = () => bodies.at(-1)?.content.status;
const status = () => api.get(PATH)?.["status"] as Record<string, unknown> | undefined;
const version = () => api.get(PATH)?.metadata.resourceVersion;

test("reports a crossing within 3 s, and writes nothing while nothing changes", async () => {
  put(["a", "b"]);
  used = { a: { app: 10 }, b: { app: 10 } };
  await start();
  await seconds(5);
  expect(status()).toEqual({ observedGeneration: 1 });
  const before = version();
  await seconds(60);
  expect(version()).toBe(before);
  expect(asked.at(-1)).toEqual(["a", "b"]);
  used = { a: { app: 81 }, b: { app: 10 } };
  await seconds(3);
  const crossings = [{ id: "0000000000000000", time: expect.any(String), rearmed: false }];
  expect(status()).toEqual({ observedGeneration: 1, crossings });
  const crossed = version();
  for (const app of [90, 75, 85, 73]) {
    used = { a: { app }, b: { app: 10 } };
    await seconds(10);
  }
  expect(version()).toBe(crossed);
});

test("a restarted agent continues from the status, and its first reading of high memory is no second crossing", async () => {
  put(["a"]);
  used = { a: { app: 90 } };
  const stop = await start();
  await seconds(5);
  const [before] = [status()];
  expect(before).toMatchObject({ crossings: [{ rearmed: false }] });
  await stop();
  await seconds(30);
  await start();
  await seconds(10);
  expect(status()).toEqual(before);
  used = { a: { app: 10 } };
  await seconds(5);
  expect(status()).toMatchObject({ crossings: [{ rearmed: true }] });
});

test("an agent that restarts between reading and writing reports the crossing once", async () => {
  put(["a"]);
  used = { a: { app: 90 } };
  const send = api.send.bind(api);
  let isDown = true;
  api.send = (method, ...more) =>
    isDown && method === "PATCH" ? Promise.reject(new Error("connect ECONNREFUSED")) : send(method, ...more);
  const stop = await start();
  await seconds(10);
  await stop();
  expect(status()).toBeUndefined();
  isDown = false;
  await start();
  await seconds(5);
  const written = version();
  expect(status()).toMatchObject({ crossings: [{ rearmed: false }] });
  await seconds(60);
  expect(version()).toBe(written);
});

test("pods that are no longer watched are discarded, and other ones begin", async () => {
  put(["a"]);
  used = { a: { app: 90 }, b: { app: 90 } };
  await start();
  await seconds(5);
  put([], 2);
  await seconds(5);
  expect(applied()).toEqual({ observedGeneration: 2 });
  api.remove(PATH);
  await seconds(5);
  const count = asked.length;
  await seconds(30);
  expect(asked).toHaveLength(count);
  put(["b"], 1);
  await seconds(5);
  expect(status()).toMatchObject({ crossings: [{ id: "0000000000000000" }] });
  expect(asked.at(-1)).toEqual(["b"]);
});

test("reports that there are no readings after 30 s, and removes that once there are", async () => {
  put(["a"]);
  used = { a: { app: 10 } };
  failure = new NodeServiceError("connect ENOENT");
  await start();
  await seconds(20);
  expect(status()).toEqual({ observedGeneration: 1 });
  await seconds(20);
  expect(status()).toEqual({
    observedGeneration: 1,
    message: expect.stringContaining("cannot read the memory of pods: connect ENOENT"),
  });
  failure = undefined;
  await seconds(5);
  expect(applied()).toEqual({ observedGeneration: 1 });
});
