import {
  ApiError,
  Cache,
  controller,
  createLogger,
  itemsAt,
  leadAll,
  metadataOf,
  Metrics,
  rawKind,
  textAt,
  type CachedObjects,
  type Controller,
  type Json,
  type Kind,
  type KubernetesObject,
} from "../../../../kube";
import { FakeApi } from "../../../../testbed/fake-api";

interface Owned extends KubernetesObject {
  readonly owner?: string;
}
const project = (raw: Json): Owned => ({
  metadata: metadataOf(raw),
  owner: textAt(itemsAt(raw, "metadata", "ownerReferences")[0], "name"),
});
const kind = (plural: string): Kind<Owned> => ({ ...rawKind("v1", plural, plural), project });

const log = createLogger({ level: "error", destination: { write: () => {} } });
let api: FakeApi;
let cache: Cache;
let stop: AbortController;
let ended: Promise<unknown>;
let reconciled: string[];
const pass = (ms = 1) => jest.advanceTimersByTimeAsync(ms);
const put = (plural: string, name: string, owner?: string) =>
  api.put(`/api/v1/${plural}`, {
    metadata: { name, ...(owner === undefined ? {} : { ownerReferences: [{ name: owner }] }) },
  });

function lead(...controllers: Controller[]): void {
  ended = Promise.all([cache.run(stop.signal), leadAll(controllers, stop.signal)]);
}
const build = (name = "c") => controller(name, { log, metrics: new Metrics() });
const note = async (key: string) => void reconciled.push(key);

beforeEach(() => {
  jest.useFakeTimers();
  api = new FakeApi();
  cache = new Cache({ transport: api, log });
  stop = new AbortController();
  reconciled = [];
});
afterEach(async () => {
  stop.abort();
  await pass(10);
  await ended;
  jest.useRealTimers();
});

test("reconciles each object at the start and each that changes", async () => {
  put("apps", "b");
  put("apps", "a");
  lead(
    build()
      .for(cache.objects(kind("apps")))
      .reconcile(note),
  );
  await pass();
  put("apps", "c");
  await pass();
  expect(reconciled).toEqual(["a", "b", "c"]);
});

test("selects and orders the first keys, and selects changes", async () => {
  for (const name of ["b", "skipped", "a"]) put("apps", name);
  lead(
    build()
      .for(cache.objects(kind("apps")), {
        initial: (all) =>
          all
            .filter(({ metadata }) => metadata.name !== "skipped")
            .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
        when: ({ key }) => key !== "c",
      })
      .starts("extra")
      .reconcile(note),
  );
  await pass();
  put("apps", "c");
  put("apps", "skipped", "changed");
  await pass();
  expect(reconciled).toEqual(["a", "b", "extra", "skipped"]);
});

test("reconciles owners, and the keys that a change affects, at once or later", async () => {
  const apps = cache.objects(kind("apps"));
  const parts = cache.objects(kind("parts"));
  const nodes = cache.objects(kind("nodes"));
  lead(
    build()
      .for(apps)
      .owns(parts, ({ owner }) => owner)
      .watches(nodes, ({ key }) => [`on-${key}`, { key: "later", afterMs: 1000 }])
      .reconcile(note),
  );
  await pass();
  put("parts", "p", "app");
  put("parts", "orphan");
  put("nodes", "n");
  await pass();
  expect(reconciled).toEqual(["app", "on-n"]);
  await pass(1000);
  expect(reconciled).toEqual(["app", "on-n", "later"]);
  api.remove("/api/v1/parts/p");
  await pass();
  expect(reconciled.at(-1)).toBe("app");
});

test("retries a failed key with backoff", async () => {
  put("apps", "a");
  lead(
    build()
      .for(cache.objects(kind("apps")))
      .reconcile(async (key) => {
        reconciled.push(key);
        if (reconciled.length < 3) throw new Error("not yet");
      }),
  );
  await pass(1000);
  expect(reconciled).toEqual(["a", "a", "a"]);
});

test("runs start before the workers, background tasks with them, and drain after the last reconcile", async () => {
  put("apps", "a");
  const steps: string[] = [];
  const apps = cache.objects(kind("apps"));
  lead(
    build()
      .for(apps)
      .reconcile(async (key) => void steps.push(key), {
        start: async () => {
          await new Promise((resolve) => setTimeout(resolve, 500));
          steps.push(`start ${apps.list().length}`);
        },
        background: async (signal) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          steps.push("background ended");
        },
        drain: async () => void steps.push("drained"),
      }),
  );
  await pass(1000);
  stop.abort();
  await pass();
  expect(steps).toEqual(["start 1", "a", "background ended", "drained"]);
});

test("a missing permission blocks only the controllers that need the objects", async () => {
  put("apps", "a");
  put("secrets", "s");
  api.before = ({ path }) => {
    if (path.endsWith("/secrets")) throw new ApiError(403, "forbidden");
  };
  const apps: CachedObjects<Owned> = cache.objects(kind("apps"));
  const secrets = cache.objects(kind("secrets"));
  lead(
    build("apps").for(apps).reconcile(note),
    build("secrets").for(secrets).reconcile(note),
    build("both")
      .for(apps)
      .needs(secrets)
      .reconcile(async (key) => note(`both-${key}`)),
  );
  await pass(60_000);
  expect(reconciled).toEqual(["a"]);
  api.before = undefined;
  await pass(60_000);
  expect(reconciled.toSorted()).toEqual(["a", "both-a", "s"]);
});

test("a key of a namespace that one source does not cover is not reconciled before the list is permitted", async () => {
  const within = (plural: string, namespace: string, name: string) =>
    api.put(`/api/v1/${plural}`, { metadata: { name, namespace } });
  for (const namespace of ["a", "b"]) within("pods", namespace, "one");
  let denied = true;
  api.before = ({ path }) => {
    if (denied && path.includes("/namespaces/b/secrets")) throw new ApiError(403, "denied");
  };
  const scope = { namespaces: ["a", "b"], skipDenied: true };
  const pods = cache.objects(kind("pods"), scope);
  const secrets = cache.objects(kind("secrets"), scope);
  const selected = ({ metadata }: Owned) => metadata.name !== "other";
  within("pods", "b", "other");
  lead(
    build()
      .for(pods, { initial: (all) => all.filter(selected) })
      .needs(secrets)
      .reconcile(note),
  );
  await pass(60_000);
  within("pods", "b", "two");
  await pass();
  expect(reconciled).toEqual(["a/one"]);
  denied = false;
  await pass(10_000);
  expect(reconciled).toEqual(["a/one", "b/one", "b/two"]);
});
