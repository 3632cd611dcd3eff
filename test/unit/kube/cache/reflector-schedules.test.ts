import * as fc from "fast-check";
import { ApiError, type Json } from "../../../../kube/client";
import { Metrics, Reflector, Store, createLogger, metadataOf, textAt } from "../../../../kube";
import { FakeApi } from "../../../../testbed/fake-api";
import { assertAsyncProperty } from "../../../support/property";

const PODS = "/api/v1/pods";
const path = (name: string) => `/api/v1/namespaces/a/pods/${name}`;
const pod = (name: string, labels: object) => ({ metadata: { name, namespace: "a", labels } });
const project = (raw: Json) => ({ metadata: metadataOf(raw), value: textAt(raw, "metadata", "labels", "v") });
type Pod = ReturnType<typeof project>;
const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("reports every change in order for any schedule of writes and faults", async () => {
  const NAMES = ["p", "q", "r"];
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ put: fc.constantFrom(...NAMES), v: fc.nat(99).map(String) }) },
    { weight: 3, arbitrary: fc.record({ remove: fc.constantFrom(...NAMES) }) },
    { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(1, 300, 5000, 70_000) }) },
    { weight: 1, arbitrary: fc.record({ cut: fc.constantFrom("clean", "error", "stall") }) },
    { weight: 1, arbitrary: fc.constant({ compact: true }) },
    { weight: 1, arbitrary: fc.record({ fail: fc.constantFrom(0, 410, 429, 500) }) },
  );
  const property = fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
    const api = new FakeApi();
    const store = new Store<Pod>();
    const reported = new Map<string, string>();
    const identity = (object?: Pick<Pod, "metadata">) =>
      object && `${object.metadata.uid} ${object.metadata.resourceVersion}`;
    store.onChange(({ key, old, new: now }) => {
      expect(identity(old)).toBe(reported.get(key));
      expect(old && now ? now.metadata.uid : "").toBe(old && now ? old.metadata.uid : "");
      if (now) reported.set(key, identity(now) ?? "");
      else reported.delete(key);
    });
    const controller = new AbortController();
    const log = createLogger({ level: "error" });
    const reflector = new Reflector({
      name: "pods",
      transport: api,
      path: PODS,
      project,
      store,
      log,
      metrics: new Metrics(),
    });
    const running = reflector.run(controller.signal);
    for (const step of actions) {
      if ("put" in step) api.put(PODS, pod(step.put, { v: step.v }));
      if ("remove" in step) api.remove(path(step.remove));
      if ("pass" in step) await pass(step.pass);
      if ("compact" in step) api.compact();
      if ("cut" in step)
        for (const watch of api.watches)
          if (step.cut === "stall") watch.stall();
          else watch.end(step.cut === "error" ? new Error("cut") : undefined);
      if ("fail" in step) {
        const error = step.fail === 0 ? new Error("refused") : new ApiError(step.fail, "no");
        let request = 0;
        api.before = () => {
          if (request++ % 3 !== 1) throw error;
        };
      }
    }
    api.before = undefined;
    await pass(60_000);
    const there = NAMES.flatMap((name) => api.get(path(name)) ?? []);
    expect(new Set(store.list().map(identity))).toEqual(new Set(there.map(identity)));
    expect(reported.size).toBe(store.size);
    controller.abort();
    await running;
  });
  await assertAsyncProperty(property, 60);
});
