import { fenced, NotLeaderError } from "../../../../kube";
import type { Transport, Method, SendOptions } from "../../../../kube/client";

function setUp(fence: { mayWrite: boolean; remainingMs: number }) {
  const sent: { method: Method; options?: SendOptions }[] = [];
  const client: Transport = {
    send: async (method, _path, _body, options) => void sent.push({ method, options }),
    watch: async function* () {
      yield { type: "BOOKMARK", object: {} };
    },
  };
  return {
    sent,
    client: fenced(client, { mayWrite: () => fence.mayWrite, remainingMs: () => fence.remainingMs }),
  };
}

test.each(["POST", "PUT", "PATCH", "DELETE"] as const)(
  "does not send %s without the lease",
  async (method) => {
    const { client, sent } = setUp({ mayWrite: false, remainingMs: 0 });
    await expect(client.send(method, "/api/v1/nodes/n")).rejects.toThrow(NotLeaderError);
    expect(sent).toEqual([]);
  },
);

test("sends reads and watches unchanged without the lease", async () => {
  const { client, sent } = setUp({ mayWrite: false, remainingMs: 0 });
  const options = { timeoutMs: 60_000 };
  await client.send("GET", "/api/v1/nodes", undefined, options);
  expect(sent).toEqual([{ method: "GET", options }]);
  const events = client.watch("/api/v1/nodes", { signal: new AbortController().signal, idleTimeoutMs: 1 });
  expect(await events[Symbol.asyncIterator]().next()).toMatchObject({ value: { type: "BOOKMARK" } });
});

test("limits a write to the remaining lease time, in the client and in the API server", async () => {
  const { client, sent } = setUp({ mayWrite: true, remainingMs: 4_321.9 });
  const signal = new AbortController().signal;
  await client.send("PATCH", "/api/v1/nodes/n", undefined, { signal, query: { fieldManager: "x" } });
  await client.send("PATCH", "/api/v1/nodes/n", undefined, { timeoutMs: 100 });
  expect(sent.map(({ options }) => options)).toEqual([
    { signal, timeoutMs: 4_321, query: { fieldManager: "x", timeout: "4321ms" } },
    { timeoutMs: 100, query: { timeout: "100ms" } },
  ]);
});
