import { ApiError } from "../../../../kube/client";
import { keyOf, metadataOf } from "../../../../kube";
import { listAll } from "../../../../kube/client/list";
import { FakeApi } from "../../../support/fake-api";

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

test("all pages, at one version", async () => {
  api.before = ({ query }) => {
    if (query["continue"]) api.remove(`${PODS}/p699`);
  };
  const { items, resourceVersion } = await list();
  expect([items.length, items[0], items.at(-1), resourceVersion]).toEqual([600, "p100", "p699", "1600"]);
  expect([limits(), contacts]).toEqual([["500", "500"], 2]);
});

test("pages that expire are read anew from the first one", async () => {
  api.before = ({ query }) => {
    if (!query["continue"]) return;
    api.before = undefined;
    api.compact();
  };
  expect((await list()).items).toHaveLength(600);
  expect(limits()).toEqual(["500", "500", "500", "500"]);
});

test("pages that expire twice give way to one page", async () => {
  api.before = ({ query }) => {
    if (query["continue"]) api.compact();
  };
  expect((await list()).items).toHaveLength(600);
  expect(limits()).toEqual(["500", "500", "500", "500", undefined]);
});

test("other errors are thrown, and the signal's reason", async () => {
  api.before = () => {
    throw new ApiError(500, "no leader");
  };
  await expect(list()).rejects.toThrow("no leader");
  await expect(list(AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
  expect(api.log).toHaveLength(2);
});
