import { migrateStorage, PROGRESS } from "../../../../cli/crd/migrate";
import type { LiveCrd } from "../../../../cli/crd/definition";
import { ApiError, Client, type Transport } from "../../../../kube";

const PATH = "/apis/example.com/v2/things";
const ALL = Array.from({ length: 10 }, (_, index) => `t${index}`);

function definition(progress?: object): LiveCrd {
  const annotations: Record<string, string> =
    progress === undefined ? {} : { [PROGRESS]: JSON.stringify(progress) };
  return {
    metadata: { name: "things.example.com", uid: "crd", resourceVersion: "1", generation: 3, annotations },
    spec: {
      group: "example.com",
      names: { kind: "Thing", plural: "things" },
      scope: "Namespaced",
      versions: [],
    },
  };
}

/** An API server with pages of 3 objects, whose tokens are the index of the next object. */
function server(faults: (path: string, token: string | undefined) => Error | undefined = () => undefined) {
  const [rewritten, tokens, recorded]: [string[], (string | undefined)[], unknown[]] = [[], [], []];
  const object = (name: string) => ({
    metadata: { name, namespace: "n", uid: `uid-${name}`, resourceVersion: "1" },
  });
  const send: Transport["send"] = async (method, path, body, options) => {
    const token = options?.query?.["continue"];
    const fault = faults(path, token);
    if (fault) throw fault;
    if (path.startsWith("/apis/apiextensions")) {
      const content = body?.content as { metadata: { annotations: Record<string, string> } };
      recorded.push(JSON.parse(content.metadata.annotations[PROGRESS] ?? ""));
      return definition();
    }
    if (method === "GET" && path === PATH) {
      tokens.push(token);
      const from = Number(token ?? 0);
      const more = from + 3 < ALL.length ? { continue: String(from + 3) } : {};
      return { metadata: { resourceVersion: "1", ...more }, items: ALL.slice(from, from + 3).map(object) };
    }
    const name = path.split("/").at(-1) ?? "";
    if (method === "GET") return object(name);
    expect(body?.content).toEqual([{ op: "test", path: "/metadata/uid", value: `uid-${name}` }]);
    rewritten.push(name);
    return object(name);
  };
  return { client: new Client({ send }, { fieldManager: "test" }), rewritten, tokens, recorded };
}

test("rewrites each object once, and records the progress after each page", async () => {
  const { client, rewritten, recorded } = server();
  expect(await migrateStorage(client, definition(), "v2", { pageSize: 3 })).toBe(10);
  expect(rewritten.toSorted()).toEqual(ALL);
  expect(recorded).toEqual(
    [3, 6, 9].map((count) => ({ generation: 3, version: "v2", next: String(count), rewritten: count })),
  );
});

test("resumes at the recorded page, unless the definition or the version has changed", async () => {
  const progress = { generation: 3, version: "v2", next: "6", rewritten: 6 };
  const resumed = server();
  expect(await migrateStorage(resumed.client, definition(progress), "v2")).toBe(10);
  expect(resumed.rewritten.toSorted()).toEqual(ALL.slice(6));
  for (const other of [
    { ...progress, generation: 2 },
    { ...progress, version: "v1" },
  ]) {
    const restarted = server();
    await migrateStorage(restarted.client, definition(other), "v2");
    expect(restarted.rewritten.toSorted()).toEqual(ALL);
  }
});

test("continues with the token of the response when a page has expired", async () => {
  let expired = false;
  const { client, rewritten, tokens } = server((_, token) => {
    if (token !== "6" || expired) return undefined;
    expired = true;
    return new ApiError(410, "expired", { continuation: "5" });
  });
  await migrateStorage(client, definition(), "v2");
  expect(tokens).toEqual([undefined, "3", "5", "8"]);
  expect([...new Set(rewritten)].toSorted()).toEqual(ALL);
});

test("skips objects that were deleted, and ends with the name of one that the API server rejects", async () => {
  const faulty = (status: number) => (path: string) =>
    path.endsWith("/t4") ? new ApiError(status, "no such field") : undefined;
  const deleted = server(faulty(404));
  expect(await migrateStorage(deleted.client, definition(), "v2")).toBe(10);
  await expect(migrateStorage(server(faulty(403)).client, definition(), "v2")).rejects.toThrow(
    /^Thing n\/t4 cannot be rewritten: no such field\nMake it valid or delete it/,
  );
  await expect(migrateStorage(server(faulty(500)).client, definition(), "v2")).rejects.toThrow(
    /^no such field$/,
  );
});
