import { runHealth, type Finding, type Log } from "../../../../agent/health";
import { Probe } from "../../../../agent/health/run";
import { ApiError } from "../../../../kube";

const OK: Finding = { check: "kernel", status: "ok", message: "Linux" };
const BAD: Finding = { check: "kernel", status: "failed", message: "old" };
const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

describe("a probe", () => {
  test("that hangs fails in each round, is not started again, and reports its result when it ends", async () => {
    let started = 0;
    let end: (finding: Finding) => void = () => {};
    const run = () => {
      started++;
      return new Promise<Finding>((resolve) => (end = resolve));
    };
    const probe = new Probe({ check: "kernel", run });
    for (let round = 0; round < 3; round++) {
      expect(await probe.run(5)).toMatchObject({
        check: "kernel",
        status: "failed",
        message: expect.stringContaining("the check has not finished for 1 s"),
      });
    }
    expect(started).toBe(1);
    const later = probe.run(1000);
    end(OK);
    expect(await later).toEqual(OK);
    void probe.run(1000);
    expect(started).toBe(2);
    end(OK);
  });

  test("that throws has failed", async () => {
    const probe = new Probe({
      check: "space",
      run: () => {
        throw new Error("ENOENT:\n no such directory");
      },
    });
    const message = "the check cannot run: ENOENT: no such directory";
    expect(await probe.run(100)).toEqual({ check: "space", status: "failed", message });
    expect(await probe.run(100)).toMatchObject({ message });
  });

  test("with reuse repeats only a finding that is not ok", async () => {
    const findings = [BAD, OK, BAD];
    let started = 0;
    const run = async () => findings[started++] ?? OK;
    const probe = new Probe({ check: "kernel", run, reuseMs: 60_000 });
    expect([await probe.run(100), await probe.run(100), await probe.run(100)]).toEqual([BAD, OK, OK]);
    expect(started).toBe(2);
  });
});

describe("rounds", () => {
  const probe = (findings: readonly Finding[]) => {
    let at = 0;
    return new Probe({
      check: "kernel",
      run: async () => findings[Math.min(at++, findings.length - 1)] ?? OK,
    });
  };
  const base = {
    log: SILENT,
    periodSeconds: 0.001,
    timeoutSeconds: 1,
    warnOnly: [],
    isStored: () => false,
    alive: async () => {},
  };

  test("report all findings, log only changes, and end at the signal", async () => {
    const stop = new AbortController();
    const reported: string[] = [];
    const logged: string[] = [];
    const line = (level: string) => (_fields: object, text: string) => void logged.push(`${level} ${text}`);
    await runHealth(
      {
        ...base,
        probes: [probe([BAD, BAD, OK, OK, BAD])],
        log: { info: line("info"), warn: line("warn"), error: line("error") },
        report: async ({ status }) => void reported.push(status),
        reported: async () => {
          if (reported.length === 5) stop.abort();
        },
      },
      stop.signal,
    );
    expect(reported).toEqual(["False", "False", "True", "True", "False"]);
    expect(logged).toEqual(["error old", "info Linux", "error old"]);
  });

  /** Runs rounds whose reports end as given, and returns the files that each round touched. */
  async function rounds(reports: readonly (Error | "stored")[], finding: (round: number) => Finding) {
    const stop = new AbortController();
    const touched: string[] = [];
    let stored: string | undefined;
    let round = 0;
    await runHealth(
      {
        ...base,
        probes: [new Probe({ check: "kernel", run: async () => finding(round) })],
        report: async ({ status }) => {
          const result = reports[round++];
          if (round === reports.length) stop.abort();
          if (result instanceof Error) throw result;
          stored = status;
        },
        isStored: (status) => stored === status,
        alive: async () => void touched.push("alive"),
        reported: async () => void touched.push("reported"),
      },
      stop.signal,
    );
    return touched
      .join(" ")
      .replaceAll(/ ?alive/g, "|")
      .slice(1);
  }
  const OUTAGE = new Error("connect ECONNREFUSED");

  test("are alive during an outage of the API server, and keep a status that it has", async () => {
    expect(await rounds(["stored", OUTAGE, OUTAGE, new ApiError(503, ""), "stored"], () => OK)).toBe(
      " reported| reported| reported| reported| reported",
    );
    expect(await rounds([OUTAGE, OUTAGE, "stored"], () => OK)).toBe("|| reported");
  });

  test("do not count as reported while the API server lacks their status, or rejects it", async () => {
    const fails = (round: number) => (round === 0 ? OK : BAD);
    expect(await rounds(["stored", OUTAGE, OUTAGE, "stored"], fails)).toBe(" reported||| reported");
    const rejection = new ApiError(403, "forbidden");
    expect(await rounds(["stored", rejection, "stored"], () => OK)).toBe(" reported|| reported");
    expect(await rounds(["stored", new ApiError(429, "busy")], () => OK)).toBe(" reported| reported");
  });
});
