/** Notifications about the result of Checkpoints, with a virtual clock. */
import { IN_A } from "../cluster";
import { dataOf, NotifyCluster, podEvents } from "./support";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
let cluster: NotifyCluster;

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  cluster = new NotifyCluster();
});
afterEach(async () => {
  cluster.stop();
  await seconds(0);
  jest.useRealTimers();
});

const ended = (checkpointEnded: object) => ({
  trigger: { checkpointEnded },
  action: { notify: { destination: "ops" } },
});
const finishAs = (reason: string, message: string, status: "True" | "False") => async () => {
  for (const { metadata } of await cluster.created())
    cluster.api.edit(`${IN_A}/checkpoints/${metadata.name}`, (object) => {
      object["status"] ??= {
        podUID: uids.get("web-0"),
        completionTime: new Date().toISOString(),
        conditions: [
          { type: "Ready", status, reason, message },
          ...(status === "False" ? [{ type: "Failed", status: "True", reason, message }] : []),
        ],
      };
    });
};
const complete = finishAs("CheckpointCompleted", "checkpointed main", "True");
const fail = finishAs("CRIUFailed", "criu failed: type DUMP errno 22", "False");
const uids = new Map<string, string>();

const begin = (spec: object) => {
  cluster.policy("nightly", { trigger: { manual: {} } });
  cluster.policy("p", ended(spec));
  uids.set("web-0", cluster.pod("web-0").metadata.uid);
  return cluster.start();
};

test("a failed Checkpoint of another policy is reported with its reason", async () => {
  begin({ policies: ["nightly"], outcomes: ["Failed"] });
  await seconds(1);
  cluster.request("web-0");
  await seconds(5);
  const [{ metadata } = { metadata: { name: "" } }] = await cluster.created();
  expect(cluster.sent).toEqual([]);
  await fail();
  await seconds(5);
  expect(cluster.sent).toHaveLength(1);
  expect(JSON.parse(cluster.sent[0]?.body ?? "")).toMatchObject({
    type: "cedana.checkpoint.failed",
    timestamp: "2026-11-27T12:00:06.000Z",
    data: {
      policy: { name: "p" },
      trigger: "checkpointEnded",
      reason: "CRIUFailed",
      message: `Checkpoint ${metadata.name} failed: criu failed: type DUMP errno 22`,
      checkpoint: { namespace: "team-a", name: metadata.name, outcome: "Failed", policy: "nightly" },
    },
  });
  expect(podEvents(cluster)).toMatchObject([{ type: "Warning", reason: "PolicyNotification" }]);
});

test("selects Checkpoints by outcome and policy, and reports each once", async () => {
  begin({ outcomes: ["Completed"] });
  cluster.policy("others", ended({ policies: ["weekly"] }));
  await seconds(1);
  cluster.request("web-0");
  await seconds(5);
  await fail();
  await seconds(300);
  expect(cluster.sent).toEqual([]);
  cluster.request("web-0");
  await seconds(5);
  await complete();
  await seconds(5);
  expect(
    cluster.sent.map((one) => [dataOf(one)["reason"], (dataOf(one)["policy"] as { name: string }).name]),
  ).toEqual([["CheckpointCompleted", "p"]]);
  await seconds(1200);
  expect(cluster.sent).toHaveLength(1);
});

test("a new leader reports a Checkpoint that ended while no controller led, with the same id", async () => {
  const stop = begin({});
  await seconds(1);
  cluster.request("web-0");
  await seconds(5);
  stop();
  await seconds(1);
  await complete();
  await seconds(60);
  const again = cluster.start();
  await seconds(5);
  again();
  cluster.start();
  await seconds(5);
  expect(cluster.sent).toHaveLength(2);
  expect(new Set(cluster.sent.map(({ id }) => id)).size).toBe(1);
});
