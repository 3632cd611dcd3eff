import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  criuCheck,
  Reporter,
  runCriuChecks,
  runHealth,
  type ConditionWords,
  type Finding,
  type Log,
} from "../../../../agent/health";
import { Probe } from "../../../../agent/health/probe";
import type { Body } from "../../../../kube/client";
import { clientOn } from "../../../support/controller-runtime";

const OK: Finding = { check: "kernel", status: "ok", words: "Linux" };
const BAD: Finding = { check: "kernel", status: "failed", words: "old" };
const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "health-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a probe", () => {
  test("that is stuck is told late in each round, is not started again, and is heard when it ends", async () => {
    let started = 0;
    let end: (finding: Finding) => void = () => {};
    const look = () => {
      started++;
      return new Promise<Finding>((resolve) => (end = resolve));
    };
    const probe = new Probe({ check: "kernel", look });
    for (let round = 0; round < 3; round++) {
      expect(await probe.look(5)).toMatchObject({
        check: "kernel",
        status: "failed",
        words: expect.stringContaining("has not come to an end for 1 s"),
      });
    }
    expect(started).toBe(1);
    const later = probe.look(1000);
    end(OK);
    expect(await later).toEqual(OK);
    void probe.look(1000);
    expect(started).toBe(2);
    end(OK);
  });

  test("that throws has failed, at once or later", async () => {
    const probe = new Probe({
      check: "space",
      look: () => {
        throw new Error("ENOENT:\n no such folder");
      },
    });
    const words = "this check cannot be made: ENOENT: no such folder";
    expect(await probe.look(100)).toEqual({ check: "space", status: "failed", words });
    expect(await probe.look(100)).toMatchObject({ words });
  });

  test("that looks seldom keeps what is ok, and looks again at once at what is not", async () => {
    const findings = [BAD, OK, BAD];
    let started = 0;
    const look = async () => findings[started++] ?? OK;
    const probe = new Probe({ check: "kernel", look, goodForMs: 60_000 });
    expect([await probe.look(100), await probe.look(100), await probe.look(100)]).toEqual([BAD, OK, OK]);
    expect(started).toBe(2);
  });
});

describe("the condition of the own pod", () => {
  interface Condition {
    readonly type: string;
    readonly status: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }
  const good: ConditionWords = { status: "True", reason: "ChecksPassed", message: "" };
  const bad: ConditionWords = { status: "False", reason: "CheckFailed", message: "kernel: old" };
  const START = Date.parse("2026-06-01T12:00:00Z");
  const WAIT = { timeoutMs: 1000 };

  /** A pod's status, merged as the API server does. */
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

  test("is written when it changes, and else left alone", async () => {
    const ready: Condition = { type: "Ready", status: "False", message: "", lastTransitionTime: "t" };
    const pod = podWith(ready);
    const reporter = pod.reporter();
    await reporter.report(bad, WAIT);
    await reporter.report(bad, WAIT);
    expect(pod.sent).toHaveLength(1);
    expect(pod.all()).toEqual([
      ready,
      { type: "cedana.ai/node-can-checkpoint", ...bad, lastTransitionTime: "2026-06-01T12:00:00Z" },
    ]);
    jest.setSystemTime(START + 30_000);
    await reporter.report(good, WAIT);
    expect(pod.ours()).toMatchObject({ status: "True", lastTransitionTime: "2026-06-01T12:00:30Z" });
  });

  test("changes its words at most once a minute, and its status at once", async () => {
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

  test("is written again after ten minutes, should it have been lost", async () => {
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

  test("keeps the time of its last change over a restart of the container", async () => {
    const pod = podWith();
    await pod.reporter().report(bad, WAIT);
    jest.setSystemTime(START + 5000);
    await pod.reporter().report({ ...bad, message: "kernel: older" }, WAIT);
    expect(pod.ours()).toMatchObject({
      message: "kernel: older",
      lastTransitionTime: "2026-06-01T12:00:00Z",
    });
  });

  test("is tried again when it could not be written", async () => {
    const pod = podWith();
    const reporter = pod.reporter();
    const refusing = new Reporter(clientOn({ send: () => Promise.reject(new Error("no answer")) }), {
      namespace: "cedana",
      name: "health-1",
      uid: "u1",
    });
    await expect(refusing.report(bad, WAIT)).rejects.toThrow("no answer");
    await reporter.report(bad, WAIT);
    expect(pod.sent).toHaveLength(1);
  });
});

describe("rounds", () => {
  const probe = (findings: readonly Finding[]) => {
    let at = 0;
    return new Probe({
      check: "kernel",
      look: async () => findings[Math.min(at++, findings.length - 1)] ?? OK,
    });
  };
  const base = { log: SILENT, periodSeconds: 0.001, timeoutSeconds: 1 };

  test("tell all findings of a round, log only what is new, and end at the signal", async () => {
    const stop = new AbortController();
    const told: string[] = [];
    const logged: string[] = [];
    const line = (level: string) => (_fields: object, text: string) => void logged.push(`${level} ${text}`);
    await runHealth(
      {
        ...base,
        probes: [probe([BAD, BAD, OK, OK, BAD])],
        log: { info: line("info"), warn: line("warn"), error: line("error") },
        report: async ({ status }) => void told.push(status),
        alive: async () => {
          if (told.length === 5) stop.abort();
        },
      },
      stop.signal,
    );
    expect(told).toEqual(["False", "False", "True", "True", "False"]);
    expect(logged).toEqual(["error old", "info Linux", "error old"]);
  });

  test("go on when the outcome cannot be stored, but do not count as alive", async () => {
    const stop = new AbortController();
    let [asked, alive] = [0, 0];
    await runHealth(
      {
        ...base,
        probes: [probe([OK])],
        report: async () => {
          if (++asked < 3) throw new Error("403");
        },
        alive: async () => {
          alive++;
          stop.abort();
        },
      },
      stop.signal,
    );
    expect([asked, alive]).toEqual([3, 1]);
  });
});

describe("the container criu-check", () => {
  /** A tree whose criu is a script. */
  function tree(script: string): { folder: string; wanted: string; timeoutSeconds: number } {
    mkdirSync(join(folder, "current/bin"), { recursive: true });
    writeFileSync(join(folder, "current/bin/criu"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "current/bin/criu"), 0o755);
    return { folder, wanted: join(folder, "wanted"), timeoutSeconds: 2 };
  }

  test("tells a tree that is not there", async () => {
    const check = await criuCheck({ folder, wanted: join(folder, "none"), timeoutSeconds: 2 });
    expect(check).toMatchObject({ error: "ENOENT" });
    expect(check.exitCode).toBeUndefined();
  });

  test("tells versions, and a program that cannot start", async () => {
    const options = tree('echo "ld.so: no such library" >&2; exit 127');
    writeFileSync(join(folder, "current/VERSION"), "4.2.1-a\n");
    writeFileSync(options.wanted, "4.2.1-b\n");
    expect(await criuCheck(options)).toMatchObject({
      error: "--version ended with 127: ld.so: no such library",
      tree: "4.2.1-a",
      wanted: "4.2.1-b",
    });
  });

  test("kills a program that does not end", async () => {
    const check = await criuCheck({ ...tree("exec sleep 60"), timeoutSeconds: 0.2 });
    expect(check.error).toBe("killed after 0.1 s");
  });

  test("writes each result down, whole", async () => {
    const stop = new AbortController();
    const result = join(folder, "result.json");
    writeFileSync(result, "{ of the container before");
    const log = { ...SILENT, error: () => stop.abort() };
    await runCriuChecks({ ...tree("exit 1"), result, periodSeconds: 60, log }, stop.signal);
    expect(JSON.parse(readFileSync(result, "utf8"))).toMatchObject({ error: "--version ended with 1: " });
  });
});
