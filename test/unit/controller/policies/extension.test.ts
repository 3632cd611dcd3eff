/** A trigger, a filter or an action from outside of the project is one entry of a table. */
import { ACTIONS, type Action } from "../../../../controller/policies/actions";
import { createCheckpoint } from "../../../../controller/policies/actions/checkpoint";
import { FILTERS } from "../../../../controller/policies/filters";
import type { PolicyOptions } from "../../../../controller/policies";
import { TRIGGERS } from "../../../../controller/policies/triggers";
import { IN_A, MEMORY, PolicyCluster } from "./cluster";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
const settings = { maxInFlight: 50, memory: MEMORY };
let cluster: PolicyCluster;

function start(tables: PolicyOptions["tables"]): void {
  cluster = new PolicyCluster({ settings, ...(tables && { tables }) });
  cluster.start();
}

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
});
afterEach(async () => {
  cluster.stop();
  await seconds(0);
  jest.useRealTimers();
});

test("what follows a Checkpoint is part of the entry of an action", async () => {
  const noted: string[] = [];
  const archive: Action<{ to: string }> = {
    execute: (_, run, { client, signal }) => createCheckpoint({}, run, { client, signal }, "archive"),
    followUp: ({ to }, { checkpoint, pod }) => {
      noted.push(`${checkpoint.spec.podRef.name} ${pod.metadata.name} ${to}`);
      return Promise.resolve(undefined);
    },
  };
  start({ actions: { ...ACTIONS, archive } });
  cluster.policy("p", {
    trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } },
    action: { archive: { to: "tape" } },
  });
  const { uid } = cluster.pod("a").metadata;
  await seconds(601);
  const [one] = await cluster.created();
  expect(noted).toEqual([]);
  await cluster.finish();
  cluster.api.edit(`${IN_A}/checkpoints/${one?.metadata.name}`, (object) => {
    object["status"] = { ...(object["status"] as object), podUID: uid };
  });
  await seconds(5);
  expect(new Set(noted)).toEqual(new Set(["a a tape"]));
});

test("a trigger, a filter and an action are one entry of a table each", async () => {
  const noted: string[] = [];
  const note: Action<{ text: string }> = {
    execute: ({ text }, { pod: { name } }) => {
      noted.push(`${text} ${name}`);
      return Promise.resolve("ended");
    },
  };
  start({
    triggers: {
      ...TRIGGERS,
      hourly: {
        next: (_: never, __, afterMs) => Math.floor(afterMs / 3_600_000 + 1) * 3_600_000,
        done: (dueMs) => dueMs,
      },
    },
    filters: { ...FILTERS, suffix: { matches: (end: never, { name }) => name.endsWith(end) } },
    actions: { ...ACTIONS, note },
  });
  cluster.policy("p", {
    trigger: { hourly: {} },
    filter: { suffix: "-0" },
    action: { note: { text: "hello" } },
  });
  cluster.pod("web-0");
  cluster.pod("web-1");
  await seconds(2 * 3600 + 1);
  expect(noted).toEqual(["hello web-0", "hello web-0"]);
  expect(await cluster.created()).toEqual([]);
});
