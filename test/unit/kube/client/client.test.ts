import { ApiError, Client, pointer, rawKind, retryOnConflict } from "../../../../kube";
import { FakeApi } from "../../../../testbed/fake-api";

const POD = rawKind("v1", "Pod", "pods");
const PODS = "/api/v1/namespaces/a/pods";
const key = { namespace: "a", name: "p" };

let api: FakeApi;
let client: Client;
let observed: unknown[];
beforeEach(() => {
  api = new FakeApi();
  observed = [];
  client = new Client(api, { fieldManager: "test", observe: (_, object) => observed.push(object) });
});
const create = () => client.create(POD, { metadata: key, spec: { x: 1 } });
const last = () => api.log.at(-1);

test("get returns undefined without the object, and throws other errors", async () => {
  expect(await client.get(POD, key)).toBeUndefined();
  await create();
  expect(await client.get(POD, key)).toMatchObject({ spec: { x: 1 } });
  api.before = () => {
    throw new ApiError(403, "forbidden");
  };
  await expect(client.get(POD, key)).rejects.toThrow("forbidden");
});

test("create sends kind and field manager", async () => {
  await create();
  expect(last()).toMatchObject({
    method: "POST",
    path: PODS,
    query: { fieldManager: "test" },
    body: { content: { apiVersion: "v1", kind: "Pod", metadata: key } },
  });
  await expect(create()).rejects.toMatchObject({ status: 409 });
});

test("list reads all pages of a namespace with its selectors", async () => {
  for (let i = 0; i < 1100; i++) api.put(PODS, { metadata: { name: `p${i}`, namespace: "a" } });
  api.put(PODS, { metadata: { name: "p", namespace: "b" } });
  expect(await client.list(POD, { namespace: "a" })).toHaveLength(1100);
  expect(await client.list(POD)).toHaveLength(1101);
  await client.list(POD, { labelSelector: "x=1", fieldSelector: "metadata.name=p" });
  expect(last()?.query).toMatchObject({ labelSelector: "x=1", fieldSelector: "metadata.name=p" });
});

test("a JSON patch is guarded by the UID of its target", async () => {
  const { metadata } = (await create()) as unknown as { metadata: { uid: string } };
  const operations = [{ op: "add", path: pointer("metadata", "labels"), value: { y: "1" } }] as const;
  await client.jsonPatch(POD, { ...key, uid: metadata.uid }, operations);
  expect(api.get(`${PODS}/p`)?.metadata.labels).toEqual({ y: "1" });
  await expect(client.jsonPatch(POD, { ...key, uid: "other" }, operations)).rejects.toMatchObject({
    status: 422,
  });
});

test("applyStatus writes only if the version is the one that was read", async () => {
  await create();
  const { resourceVersion = "" } = api.get(`${PODS}/p`)?.metadata ?? {};
  const target = { ...key, resourceVersion };
  await client.applyStatus(POD, target, { phase: "Running" });
  expect(last()).toMatchObject({ path: `${PODS}/p/status`, query: { fieldManager: "test", force: "true" } });
  expect(api.get(`${PODS}/p`)).toMatchObject({ status: { phase: "Running" }, spec: { x: 1 } });
  await expect(client.applyStatus(POD, target, {})).rejects.toMatchObject({ status: 409 });
});

test("a dry run is not observed; reads and writes are", async () => {
  await create();
  await client.apply(POD, { metadata: key, spec: {} }, { dryRun: true, fieldValidation: "Strict" });
  expect(last()?.query).toMatchObject({ dryRun: "All", fieldValidation: "Strict" });
  expect(observed).toHaveLength(1);
  await client.get(POD, key);
  expect(observed).toHaveLength(2);
});

test("delete succeeds without the object", async () => {
  await create();
  await client.delete(POD, key);
  await client.delete(POD, key);
  expect(api.get(`${PODS}/p`)).toBeUndefined();
});

test("JSON pointers escape names", () => {
  expect(pointer("metadata", "annotations", "a/b~c", 0)).toBe("/metadata/annotations/a~1b~0c/0");
});

describe("retryOnConflict", () => {
  const conflict = (status = 409) => new ApiError(status, "conflict");

  test("reads again after a conflict or a failed test, and returns the result", async () => {
    const write = jest.fn().mockRejectedValueOnce(conflict()).mockRejectedValueOnce(conflict(422));
    write.mockResolvedValue("done");
    const refresh = jest.fn().mockResolvedValue(true);
    expect(await retryOnConflict(write, refresh)).toBe("done");
    expect([write.mock.calls.length, refresh.mock.calls.length]).toEqual([3, 2]);
  });

  test("returns undefined once the object was deleted", async () => {
    expect(await retryOnConflict(() => Promise.reject(conflict(404)), jest.fn())).toBeUndefined();
    expect(
      await retryOnConflict(
        () => Promise.reject(conflict()),
        async () => false,
      ),
    ).toBeUndefined();
  });

  test("throws the fifth conflict, and other errors at once", async () => {
    const write = jest.fn().mockRejectedValue(conflict());
    await expect(retryOnConflict(write, async () => true)).rejects.toThrow("conflict");
    expect(write).toHaveBeenCalledTimes(5);
    await expect(retryOnConflict(() => Promise.reject(conflict(500)), jest.fn())).rejects.toMatchObject({
      status: 500,
    });
  });
});
