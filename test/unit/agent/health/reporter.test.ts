import { Reporter, type HealthCondition } from "../../../../agent/health";
import type { Body } from "../../../../kube";
import { clientOn } from "../../../support/controller-runtime";

describe("the condition of the own pod", () => {
  interface Condition {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }
  const good: HealthCondition = { status: "True", reason: "ChecksPassed", message: "", checks: "" };
  const bad: HealthCondition = {
    status: "False",
    reason: "CheckFailed",
    message: "kernel: old",
    checks: "kernel=failed",
  };
  const START = Date.parse("2026-06-01T12:00:00Z");
  const WAIT = { timeoutMs: 1000 };

  /** Returns a pod whose status is merged as the API server does. */
  function podWith(...conditions: Condition[]) {
    const sent: Body[] = [];
    const client = clientOn({
      send: async (_method, path, body) => {
        expect(path).toBe("/api/v1/namespaces/cedana/pods/health-1/status");
        expect((body as Body).type).toBe("application/strategic-merge-patch+json");
        const { metadata, status } = (body as Body).content as {
          metadata: object;
          status?: { conditions: Condition[] };
        };
        expect(metadata).toEqual({ uid: "u1" });
        for (const each of status?.conditions ?? []) {
          conditions = [...conditions.filter(({ type }) => type !== each.type), each];
        }
        if (status && body) sent.push(body);
        return { metadata: { name: "health-1" }, status: { conditions } };
      },
    });
    const reporter = () => new Reporter(client, { namespace: "cedana", name: "health-1", uid: "u1" });
    const ours = () => conditions.find(({ type }) => type === "cedana.ai/node-can-checkpoint");
    return { sent, reporter, ours, all: () => conditions };
  }

  beforeEach(() => void jest.useFakeTimers({ now: START, doNotFake: ["nextTick", "setImmediate"] }));
  afterEach(() => void jest.useRealTimers());

  test("is written only when it changes", async () => {
    const ready = { type: "Ready", status: "False", reason: "", message: "", lastTransitionTime: "t" };
    const pod = podWith(ready);
    const reporter = pod.reporter();
    await reporter.report(bad, WAIT);
    await reporter.report(bad, WAIT);
    expect(pod.sent).toHaveLength(1);
    expect(pod.all()).toEqual([
      ready,
      {
        type: "cedana.ai/node-can-checkpoint",
        status: "False",
        reason: "CheckFailed",
        message: "kernel: old",
        lastTransitionTime: "2026-06-01T12:00:00Z",
      },
      {
        type: "cedana.ai/node-checks",
        status: "False",
        reason: "NotAllPassed",
        message: "kernel=failed",
        lastTransitionTime: "2026-06-01T12:00:00Z",
      },
    ]);
    jest.setSystemTime(START + 30_000);
    await reporter.report(good, WAIT);
    expect(pod.ours()).toMatchObject({ status: "True", lastTransitionTime: "2026-06-01T12:00:30Z" });
  });

  test("reports a new warning although the node can still checkpoint", async () => {
    const pod = podWith();
    const reporter = pod.reporter();
    await reporter.report(good, WAIT);
    jest.setSystemTime(START + 60_000);
    await reporter.report({ ...good, checks: "space=warning" }, WAIT);
    expect(pod.all()).toEqual([
      {
        type: "cedana.ai/node-can-checkpoint",
        status: "True",
        reason: "ChecksPassed",
        message: "",
        lastTransitionTime: "2026-06-01T12:00:00Z",
      },
      {
        type: "cedana.ai/node-checks",
        status: "False",
        reason: "NotAllPassed",
        message: "space=warning",
        lastTransitionTime: "2026-06-01T12:01:00Z",
      },
    ]);
  });

  test("changes its message at most once a minute, and its status immediately", async () => {
    const pod = podWith();
    const reporter = pod.reporter();
    for (let second = 0; second < 300; second += 30) {
      jest.setSystemTime(START + second * 1000);
      await reporter.report({ ...bad, message: `space: ${second}` }, WAIT);
    }
    expect(pod.sent).toHaveLength(5);
    expect(pod.ours()).toMatchObject({ message: "space: 240", lastTransitionTime: "2026-06-01T12:00:00Z" });
    await reporter.report(good, WAIT);
    expect(pod.ours()?.status).toBe("True");
  });

  test("is written again after ten minutes, in case it was lost", async () => {
    const pod = podWith();
    const reporter = pod.reporter();
    await reporter.report(good, WAIT);
    jest.setSystemTime(START + 599_000);
    await reporter.report(good, WAIT);
    expect(pod.sent).toHaveLength(1);
    jest.setSystemTime(START + 600_000);
    await reporter.report(good, WAIT);
    expect(pod.sent).toHaveLength(2);
    expect(pod.sent[1]).toEqual(pod.sent[0]);
  });

  test("keeps the time of its last change when the container restarts", async () => {
    const pod = podWith();
    await pod.reporter().report(bad, WAIT);
    jest.setSystemTime(START + 5000);
    await pod.reporter().report({ ...bad, message: "kernel: older" }, WAIT);
    expect(pod.ours()).toMatchObject({
      message: "kernel: older",
      lastTransitionTime: "2026-06-01T12:00:00Z",
    });
  });

  test("is written after a failed attempt", async () => {
    const pod = podWith();
    const reporter = pod.reporter();
    const rejecting = new Reporter(clientOn({ send: () => Promise.reject(new Error("no response")) }), {
      namespace: "cedana",
      name: "health-1",
      uid: "u1",
    });
    await expect(rejecting.report(bad, WAIT)).rejects.toThrow("no response");
    await reporter.report(bad, WAIT);
    expect(pod.sent).toHaveLength(1);
  });
});
