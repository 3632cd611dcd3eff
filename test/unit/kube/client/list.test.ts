import { ApiError, type SendOptions } from "../../../../kube/client";
import { keyOf, metadataOf } from "../../../../kube";
import { listAll } from "../../../../kube/client/list";
import { FakeApi } from "../../../../testbed/fake-api";

const PODS = "/api/v1/pods";
let api: FakeApi;
let contacts: number;
beforeEach(() => {
  contacts = 0;
  api = new FakeApi();
  for (let i = 100; i < 700; i++) api.put(PODS, { metadata: { name: `p${i}` } });
});

const list = (signal = new AbortController().signal) =>
  listAll(
    { transport: api, path: PODS, query: { labelSelector: "" }, signal, onPage: () => contacts++ },
    (raw) => keyOf({ metadata: metadataOf(raw) }),
  );
const limits = () => api.log.map(({ query }) => query["limit"]);

test("reads all pages at one version", async () => {
  api.before = ({ query }) => {
    if (query["continue"]) api.remove(`${PODS}/p699`);
  };
  const { items, resourceVersion } = await list();
  expect([items.length, items[0], items.at(-1), resourceVersion]).toEqual([600, "p100", "p699", "1600"]);
  expect([limits(), contacts]).toEqual([["50", "500", "500"], 3]);
});

test.each([
  ["of 64 KiB", 64, 25],
  ["of 4 KiB", 4, 64],
])("limits the size of pages with objects %s", async (_, kibibytes, expected) => {
  const padding = "x".repeat(kibibytes * 1024 - 100);
  for (let i = 100; i < 700; i++) api.put(PODS, { metadata: { name: `p${i}` }, padding } as never);
  expect((await list()).items).toHaveLength(600);
  const [first, ...further] = limits().map(Number);
  expect(first).toBe(50);
  for (const limit of further) expect(Math.abs(limit - expected)).toBeLessThan(4);
});

test("pages of a long list grow to 1 MiB, and not before 16 MiB were listed", async () => {
  const [item, count] = [{ metadata: { name: "p" }, padding: "x".repeat(4096 - 50) }, 25_000];
  let listed = 0;
  const sizes: (readonly [before: number, limit: number])[] = [];
  const send = async (_method: string, _path: string, _body: unknown, options?: SendOptions) => {
    const limit = Math.min(Number(options?.query?.["limit"]), count - listed);
    sizes.push([listed, limit]);
    listed += limit;
    const metadata = { resourceVersion: "1", ...(listed < count ? { continue: `${listed}` } : {}) };
    return { metadata, items: Array.from({ length: limit }, () => item) };
  };
  expect((await listAll({ transport: { send }, path: PODS }, () => 1)).items).toHaveLength(count);
  const of = (pages: typeof sizes) => pages.slice(1, -1).map(([, limit]) => limit);
  for (const limit of of(sizes.filter(([before]) => before < 4096)))
    expect(Math.abs(limit - 64)).toBeLessThan(4);
  expect(of(sizes)).toEqual(of(sizes).toSorted((a, b) => a - b));
  expect(Math.abs((of(sizes).at(-1) ?? 0) - 256)).toBeLessThan(8);
});

test("reads all pages again when one expires", async () => {
  api.before = ({ query }) => {
    if (!query["continue"]) return;
    api.before = undefined;
    api.compact();
  };
  expect((await list()).items).toHaveLength(600);
  expect(limits()).toEqual(["50", "500", "50", "500", "500"]);
});

test("reads one page without a limit when pages expire twice", async () => {
  api.before = ({ query }) => {
    if (query["continue"]) api.compact();
  };
  expect((await list()).items).toHaveLength(600);
  expect(limits()).toEqual(["50", "500", "50", "500", undefined]);
});

test("throws other errors and the signal's reason", async () => {
  api.before = () => {
    throw new ApiError(500, "no leader");
  };
  await expect(list()).rejects.toThrow("no leader");
  await expect(list(AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
  expect(api.log).toHaveLength(2);
});
