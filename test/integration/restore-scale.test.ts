/**
 * Restores by `latest` in a namespace with many Checkpoints, on a real API server with two controllers: which Checkpoint each
 * pod gets, and how long its creation takes. Needs the same as apiserver.test.ts. CEDANA_INTEGRATION_CHECKPOINTS sets the
 * number of Checkpoints; default 2,000, of which the setup takes seconds.
 */
import { loadavg } from "node:os";
import { kubeconfig } from "../../testbed/cluster/apiserver";
import {
  checkpointOf,
  CHECKPOINTS as COLLECTION,
  JSON_PATCH,
  pod,
  PODS,
  RestoreInstall,
  type Pod,
} from "./support/restore-install";

const config = kubeconfig();
/** Pods with Checkpoints, and pods that are created at a time. */
const WORKLOADS = 240;
const AT_ONCE = 12;
const CHECKPOINTS = Number(process.env["CEDANA_INTEGRATION_CHECKPOINTS"] ?? 2000);
/** Requests at a time while the Checkpoints are created. */
const WORKERS = 32;
/** As long as the messages that make a Checkpoint about 3 KB. */
const MESSAGE = "a checkpoint with a long message ".repeat(40);

/** Index of the newest Checkpoint of each pod, and their number. */
const newestOf = (workload: number) => CHECKPOINTS - WORKLOADS + workload;

(config === undefined ? describe.skip : describe)("Restore with many Checkpoints", () => {
  const install = new RestoreInstall(config ?? "");
  const ready = [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: MESSAGE }];
  const conditions = ready.map((one) => ({ ...one, lastTransitionTime: "2026-01-01T10:00:00Z" }));

  beforeAll(() => {
    let next = 0;
    const work = async () => {
      for (let index = next++; index < CHECKPOINTS; index = next++)
        await install.checkpoint(`c-${index}`, {
          pod: `w-${(index + WORKLOADS - (CHECKPOINTS % WORKLOADS)) % WORKLOADS}`,
          podUID: `old-${index}`,
          minutes: Math.floor(index / WORKLOADS),
          owner: undefined,
          hash: "",
          status: { conditions },
        });
    };
    return install.start(async () => {
      await Promise.all(Array.from({ length: WORKERS }, work));
    });
  }, 900_000);
  afterAll(() => install.stop(), 300_000);

  /** Sends a request for each name, some at a time, and prints how long they took. @returns the results */
  const timed = async <T>(what: string, names: readonly string[], request: (name: string) => Promise<T>) => {
    const results: T[] = [];
    const times: number[] = [];
    const one = async (name: string) => {
      const start = performance.now();
      const result = await request(name);
      times.push(performance.now() - start);
      return result;
    };
    for (let first = 0; first < names.length; first += AT_ONCE)
      results.push(...(await Promise.all(names.slice(first, first + AT_ONCE).map(one))));
    times.sort((a, b) => a - b);
    const at = (part: number) => `${Math.round(times[Math.ceil(times.length * part) - 1] ?? 0)} ms`;
    const line = `${what}, ${AT_ONCE} at a time, ${CHECKPOINTS} Checkpoints: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`;
    process.stdout.write(`${line}; load ${loadavg()[0]?.toFixed(1)}\n`);
    return results;
  };

  /** Creates the pods, some at a time. @returns what each was restored from */
  const createAll = async (names: readonly string[], what: string) => {
    const created = await timed(what, names, (name) =>
      install.send<Pod>("POST", PODS, pod(name, { "cedana.ai/restore-from": "latest" })),
    );
    return created.map(checkpointOf);
  };

  /** Prints how many decisions of the webhooks, timed from the review to the decision, took how long. */
  const printDecisions = async (what: string) => {
    const counts = new Map<string, number>();
    for (const text of await install.metrics())
      for (const [, bound = "", count] of text.matchAll(
        /^cedana_restore_admission_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm,
      ))
        counts.set(bound, (counts.get(bound) ?? 0) + Number(count));
    const buckets = [...counts].map(([bound, count]) => `${count} within ${bound} s`).join(", ");
    process.stdout.write(`${what}, decisions of both webhooks so far: ${buckets}\n`);
  };

  test("each pod is restored from the newest Checkpoint of its name", async () => {
    const names = Array.from({ length: WORKLOADS }, (_, index) => `w-${index}`);
    const from = await createAll(names, "restored");
    await printDecisions("restored");
    expect(from).toEqual(names.map((_, index) => `c-${newestOf(index)}`));
  }, 120_000);

  test("each pod without a Checkpoint starts fresh, with the reason", async () => {
    const names = Array.from({ length: 5 * AT_ONCE }, (_, index) => `none-${index}`);
    expect(new Set(await createAll(names, "fresh"))).toEqual(new Set([undefined]));
    const { metadata } = await install.send<Pod>("GET", `${PODS}/none-0`);
    expect(metadata.annotations["cedana.ai/restore-skipped"]).toBe(
      "no completed Checkpoint of pod none-0 exists",
    );
  }, 120_000);

  test("without the webhook, the API server executes the same requests", async () => {
    const names = Array.from({ length: WORKLOADS }, (_, index) => `plain-${index}`);
    const created = await timed("a pod that requests nothing", names, (name) =>
      install.send<Pod>("POST", PODS, pod(name)),
    );
    expect(created.filter((one) => one.metadata.annotations !== undefined)).toEqual([]);
    const restore = { state: "PodMissing", time: "2026-01-01T10:00:00Z" };
    const claimed = await timed("a claim", names, (name) => {
      const path = `${COLLECTION}/${name.replace("plain", "c")}/status`;
      return install.send(
        "PATCH",
        path,
        [{ op: "add", path: "/status/restore", value: restore }],
        JSON_PATCH,
      );
    });
    expect(claimed).toHaveLength(WORKLOADS);
    const listed = await timed("a list of a workload's Checkpoints", names.slice(0, 5 * AT_ONCE), (name) =>
      install.send<{ items: unknown[] }>(
        "GET",
        `${COLLECTION}?fieldSelector=spec.podRef.name=${name.replace("plain", "none")}`,
      ),
    );
    expect(listed.flatMap(({ items }) => items)).toEqual([]);
  }, 120_000);
});
