/** How long a decision about 50,000 Checkpoints blocks the event loop. It prints the figures of docs/policies.md. */
import { projectCheckpoint, type CheckpointObject } from "../../../../../controller/checkpoints/objects";
import { FILTERS } from "../../../../../controller/policies/filters";
import { POLICY_POD, type PodObject } from "../../../../../controller/policies/objects";
import type { Policy } from "../../../../../controller/policies/core/types";
import { planPolicy, Retention } from "../../../../../controller/policies/retention";
import { Store, type KubernetesObject } from "../../../../../kube";
import { DAY, NOW } from "./support";

const COUNT = 50_000;
const ROUNDS = 7;
/** The limit of the project, ms. */
const LIMIT_MS = 50;

function cached(objects: readonly KubernetesObject[] = []) {
  const store = new Store<KubernetesObject>();
  for (const one of objects) store.set(one);
  return Object.assign(store, { covers: () => true, deniedIn: () => undefined }) as never;
}

/** Returns Checkpoints of a policy: each pod of a StatefulSet has as many. */
function checkpoints(pods: number): CheckpointObject[] {
  return Array.from({ length: COUNT }, (_, index) => {
    const time = new Date(NOW - (index % 30) * DAY - index).toISOString();
    const pod = `web-${index % pods}`;
    return projectCheckpoint({
      metadata: {
        name: `${pod}-${index}`,
        namespace: "team-a",
        uid: `uid-${index}`,
        resourceVersion: "1",
        creationTimestamp: time,
        labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" },
      },
      spec: { podRef: { name: pod } },
      status: {
        podUID: `uid-${pod}`,
        owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "s" },
        completionTime: time,
        sizeBytes: 1000,
        conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" }],
      },
    });
  });
}

function pods(count: number): PodObject[] {
  return Array.from({ length: count }, (_, index) =>
    POLICY_POD.project({
      metadata: {
        name: `web-${index}`,
        namespace: "team-a",
        uid: `uid-web-${index}`,
        resourceVersion: "1",
        creationTimestamp: new Date(NOW - DAY).toISOString(),
      },
      spec: { containers: [{ name: "main" }] },
      status: { phase: "Running" },
    }),
  );
}

interface Blocks {
  /** Longest time between two turns, ms. */
  readonly longest: number;
  /** Sum of them, ms. */
  readonly total: number;
}

/**
 * Measures between two turns of the event loop the time that passed and the CPU time of the process. The smaller one is how long the process
 * itself blocked an event.
 */
async function blocks(work: () => unknown): Promise<Blocks> {
  let [longest, total, ended] = [0, 0, false];
  let [wall, cpu] = [performance.now(), process.cpuUsage()];
  const measure = () => {
    const { user, system } = process.cpuUsage(cpu);
    const own = Math.min(performance.now() - wall, (user + system) / 1000);
    [longest, total] = [Math.max(longest, own), total + own];
    [wall, cpu] = [performance.now(), process.cpuUsage()];
    if (!ended) setImmediate(measure);
  };
  setImmediate(measure);
  await work();
  ended = true;
  await new Promise((resolve) => setImmediate(resolve));
  return { longest, total };
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

test.each([1, 5000, 50_000])(
  "a decision about 50,000 Checkpoints of %d pods blocks the event loop for less than 50 ms",
  async (count) => {
    const objects = { checkpoints: checkpoints(count), pods: pods(count) };
    const options = {
      caches: {
        checkpoints: cached(objects.checkpoints),
        pods: cached(objects.pods),
        namespaces: cached(),
        workloads: [cached()],
        jobs: cached(),
      },
      filters: FILTERS,
      client: {} as never,
      isCurrent: () => true,
      deleted: () => undefined,
      failed: () => undefined,
      ended: () => undefined,
    };
    const policy: Policy = {
      uid: "retention",
      name: "retention",
      namespace: "team-a",
      generation: 1,
      sinceMs: 0,
      spec: { trigger: {}, action: {} },
    };
    const retention = new Retention(options);
    const settings = { olderThanSeconds: 10 * 86_400, maxTotalBytes: 1000 };
    const inSteps: Blocks[] = [];
    const atOnce: Blocks[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      inSteps.push(
        await blocks(async () => {
          const { selected, toDelete } = await retention.status(policy, settings, NOW);
          expect(selected).toBe(COUNT);
          // All Checkpoints of 50,000 pods are the last good ones.
          expect(toDelete).toBe(count === COUNT ? 0 : COUNT - count);
        }),
      );
      const all = { ...objects, workloads: [], labelsOf: () => ({}) };
      atOnce.push(await blocks(() => planPolicy(policy, settings, FILTERS, all, NOW)));
    }
    const later = (found: readonly Blocks[], key: keyof Blocks) =>
      median(found.slice(1).map((one) => one[key]));
    const longest = later(inSteps, "longest");
    const texts = [
      `${COUNT} Checkpoints of ${count} pods, median of ${ROUNDS - 1} decisions`,
      `in steps: longest block ${longest.toFixed(0)} ms, ${later(inSteps, "total").toFixed(0)} ms in total`,
      `at once: ${later(atOnce, "longest").toFixed(0)} ms`,
      `the first one in steps: longest block ${inSteps[0]!.longest.toFixed(0)} ms`,
    ];
    console.log(texts.join("; "));
    expect(longest).toBeLessThan(LIMIT_MS);
  },
  120_000,
);
