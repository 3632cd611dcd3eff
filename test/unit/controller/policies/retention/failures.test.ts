import { ACTIONS } from "../../../../../controller/policies/actions";
import { PolicyState } from "../../../../../controller/policies/core/policy-state";
import { Watches } from "../../../../../controller/policies/core/watches";
import { ApiError } from "../../../../../kube";
import { IN_A, RetentionCluster, seconds, WEEK } from "./cluster";

let cluster: RetentionCluster;
beforeEach(() => void (cluster = new RetentionCluster()));
afterEach(() => cluster.end());

const start = () => cluster.start();
const policy = (...given: Parameters<RetentionCluster["policy"]>) => cluster.policy(...given);
const checkpoint = (...given: Parameters<RetentionCluster["checkpoint"]>) => cluster.checkpoint(...given);
const names = () => cluster.names();

describe("a run that fails", () => {
  const conditionOf = (type: string) =>
    (
      cluster.statusOf() as {
        conditions?: { type: string; status: string; reason: string; message: string }[];
      }
    ).conditions?.find((one) => one.type === type);
  const failed = async () => {
    const text = await cluster.metrics.registry.metrics();
    return Number(
      /cedana_policy_actions_total\{trigger="heartbeat",outcome="failed"\} (\d+)/.exec(text)?.[1] ??
        Number.NaN,
    );
  };
  /** Makes the API server reject some requests. */
  function fault(rejects: (method: string, path: string) => ApiError | undefined): () => void {
    const send = cluster.api.send.bind(cluster.api);
    cluster.api.send = async (...call) => {
      const error = rejects(call[0], call[1]);
      if (error) throw error;
      return send(...call);
    };
    return () => void (cluster.api.send = send);
  }

  test("is reported by the condition, the events and the metric of the alarm until a run succeeds", async () => {
    for (const days of [30, 20, 1]) checkpoint(`d${days}`, days);
    policy(WEEK);
    start();
    await seconds(31);
    expect(conditionOf("Ready")).toMatchObject({ status: "True", reason: "Scheduled" });
    expect(await failed()).toBe(0);
    // The first Checkpoint is deleted, and then the API server cannot list pods.
    let isDown = false;
    cluster.before = (method) => void (method === "DELETE" && (isDown = true));
    const repair = fault((_, path) =>
      isDown && path.endsWith("/team-a/pods") ? new ApiError(503, "etcd is down") : undefined,
    );
    await seconds(610);
    expect(await names()).toEqual(["d1", "d20"]);
    expect(conditionOf("Failed")).toMatchObject({
      status: "True",
      reason: "RunFailed",
      message: "the last run did not delete all that it should, and the next one tries again: etcd is down",
    });
    expect(conditionOf("Ready")).toMatchObject({ status: "False", reason: "RunFailed" });
    expect(cluster.statusOf()).not.toHaveProperty("lastRunTime");
    expect(cluster.events).toMatchObject([
      { type: "Normal", reason: "CheckpointsDeleted", note: "deleted Checkpoints: 1 OlderThan" },
      {
        type: "Warning",
        reason: "RunFailed",
        regarding: { kind: "CheckpointPolicy", name: "retention" },
        action: "DeleteCheckpoints",
        note: expect.stringContaining("etcd is down") as string,
      },
    ]);
    expect(await failed()).toBe(1);

    cluster.before = undefined;
    repair();
    await seconds(640);
    expect(await names()).toEqual(["d1"]);
    expect(conditionOf("Failed")).toMatchObject({ status: "False" });
    expect(conditionOf("Ready")).toMatchObject({ status: "True", reason: "Scheduled" });
    expect(await failed()).toBe(1);
  });

  test("stays visible for a new leader, whose next run clears it", async () => {
    for (const days of [30, 1]) checkpoint(`d${days}`, days);
    policy(WEEK, { deadlineSeconds: 10 });
    const stop = start();
    const repair = fault((method) => (method === "DELETE" ? new ApiError(503, "etcd is down") : undefined));
    await seconds(660);
    const { message } = conditionOf("Failed")!;
    expect(message).toContain("etcd is down");
    stop();
    await seconds(60);
    start();
    await seconds(120);
    expect(conditionOf("Failed")).toMatchObject({ status: "True", reason: "RunFailed", message });
    repair();
    await seconds(600);
    expect(await names()).toEqual(["d1"]);
    expect(conditionOf("Failed")).toMatchObject({ status: "False" });
  });

  test("reports how many deletions were rejected", async () => {
    for (let days = 10; days < 40; days++) checkpoint(`d${days}`, days);
    policy(WEEK);
    start();
    const repair = fault((method) =>
      method === "DELETE" ? new ApiError(403, "forbidden by a policy") : undefined,
    );
    await seconds(660);
    expect(await names()).toHaveLength(30);
    expect(conditionOf("Failed")).toMatchObject({
      status: "True",
      reason: "RunFailed",
      message:
        "the last run did not delete all that it should, and the next one tries again: 10 deletions were rejected, the last one of Checkpoint team-a/d30: forbidden by a policy",
    });
    expect(await failed()).toBe(1);
    repair();
    await seconds(630);
    expect(await names()).toEqual(["d10"]);
    expect(conditionOf("Failed")).toMatchObject({ status: "False" });
  });

  test("is not in the condition of a suspended policy", async () => {
    for (const days of [30, 1]) checkpoint(`d${days}`, days);
    policy(WEEK);
    start();
    fault((method) => (method === "DELETE" ? new ApiError(503, "etcd is down") : undefined));
    await seconds(660);
    expect(conditionOf("Failed")).toMatchObject({ status: "True", reason: "RunFailed" });
    cluster.api.edit(`${IN_A}/checkpointpolicies/retention`, (object) => {
      const { spec } = object as unknown as { spec: { suspend: boolean } };
      spec.suspend = true;
      object.metadata["generation"] = 2;
    });
    await seconds(60);
    expect(conditionOf("Failed")).toMatchObject({ status: "False", reason: "Suspended" });
  });

  test("is discarded when the policy gets an action that has no runs", () => {
    const of = (action: object) =>
      new PolicyState(
        { uid: "u", name: "p", generation: 2, sinceMs: 0, spec: { trigger: {}, action } },
        { triggers: {}, filters: {}, actions: ACTIONS },
        new Watches(),
        { runFailure: "etcd is down" },
      ).view.runFailure;
    expect([of({ deleteCheckpoints: WEEK }), of({ checkpoint: {} })]).toEqual(["etcd is down", undefined]);
  });

  test("does not count for a policy that was changed during it", async () => {
    for (const days of [30, 1]) checkpoint(`d${days}`, days);
    policy(WEEK);
    start();
    fault((method) => {
      if (method !== "DELETE") return undefined;
      cluster.api.edit(`${IN_A}/checkpointpolicies/retention`, (object) => {
        const { spec } = object as unknown as { spec: { action: object } };
        spec.action = { deleteCheckpoints: { ...WEEK, keepLast: 1 } };
        object.metadata["generation"] = 2;
      });
      return new ApiError(503, "etcd is down");
    });
    await seconds(660);
    expect(conditionOf("Failed")).toMatchObject({ status: "False", reason: "Scheduled" });
  });
});
