/** Faults of all kinds with many seeds; @see test/integration/controller-faults.test.ts */
import { Churn } from "../integration/support/controller/churn";
import type { Fleet } from "../integration/support/controller/fleet";
import type { Gate } from "../../testbed/cluster/gate";
import {
  foreignChanges,
  gateViolations,
  writesWithoutLease,
} from "../integration/support/controller/invariants";
import { Random, SEED } from "../../testbed/random";
import { converged, runWithFaults } from "../integration/support/controller/fault-run";
import { Suite, describeController } from "../integration/support/controller/suite";
import { Testbed } from "../integration/support/controller/testbed";
import { ALL_FAULTS } from "../integration/support/controller/faults";
import { SoakRecord, numberOf, slope } from "./record";

const HOURS = numberOf("CEDANA_SOAK_MINUTES", 60) / 60;
const RUN_SECONDS = 60;
/** Number of fault runs per restart of the API server. */
const RUNS_PER_RESTART = 5;

interface FaultRun {
  readonly seed: number;
  readonly hours: number;
  readonly convergedMs: number;
  /** Resident memory of the leader afterwards, per process. */
  readonly residentMiB: number;
  readonly process: string;
}

describeController("faults for a long time", () => {
  const suite = new Suite();
  const record = new SoakRecord<FaultRun>("faults");
  let gate: Gate;
  let fleet: Fleet;

  beforeAll(async () => {
    gate = await suite.gate("soak-faults");
    fleet = await suite.fleet(gate, { replicas: 2 });
  });

  afterAll(() => suite.close());

  test(
    `the cluster converges after each fault run for ${(HOURS * 60).toFixed(0)} minutes`,
    suite.run(async () => {
      while (record.done.reduce((sum, { hours }) => sum + hours, 0) < HOURS) {
        record.add(await once(SEED + record.done.length));
      }
      const longest = Math.max(...record.done.map(({ convergedMs }) => convergedMs));
      console.info(
        `${record.done.length} runs; longest convergence ${(longest / 1000).toFixed(1)} s; ${memory()}`,
      );
      expect(longest).toBeLessThanOrEqual(60_000);
    }),
    HOURS * 3_600_000 + 600_000,
  );

  async function once(seed: number): Promise<FaultRun> {
    const startMs = Date.now();
    if (seed % RUNS_PER_RESTART === 0) await restartApiServer();
    const churn = new Churn(gate, new Random(seed), { prefix: `soak-${seed}`, nodes: 40, pauseMs: 60 });
    const plan = { kinds: ALL_FAULTS, rate: 0.3, watchSeconds: 30 };
    const { wrong, convergedMs } = await runWithFaults(fleet, churn, plan, RUN_SECONDS);
    expect([seed, wrong]).toEqual([seed, []]);
    expect([seed, gateViolations(gate, Infinity)]).toEqual([seed, []]);
    expect([seed, foreignChanges(gate, fleet.exchanges)]).toEqual([seed, []]);
    expect([seed, writesWithoutLease(fleet.exchanges)]).toEqual([seed, []]);
    expect([seed, fleet.unhandled()]).toEqual([seed, []]);
    for (const node of churn.nodes) await gate.leave(node);
    gate.discardHistory();
    fleet.discardRequests();
    const { process: leader } = fleet.leader ?? fleet.replicas[0] ?? {};
    return {
      seed,
      hours: (Date.now() - startMs) / 3_600_000,
      convergedMs,
      residentMiB: leader?.usage().residentMiB ?? 0,
      process: `${leader?.startedAt}`,
    };
  }

  /** Restarts the API server if the test bed is known. The next run shows the effects. */
  async function restartApiServer(): Promise<void> {
    const folder = process.env["CEDANA_INTEGRATION_TESTBED_DIR"];
    if (!folder) return;
    const testbed = new Testbed(folder, gate.api);
    await testbed.compact();
    await testbed.restartApiServer(2000);
    await converged(fleet);
  }

  /** Returns the growth of the memory of the longest leader, without its first runs. */
  function memory(): string {
    const lines = new Map<string, [number, number][]>();
    let hours = 0;
    for (const done of record.done) {
      hours += done.hours;
      const line = lines.get(done.process) ?? [];
      line.push([hours, done.residentMiB]);
      lines.set(done.process, line);
    }
    const longest =
      [...lines.values()].toSorted((one, other) => other.length - one.length)[0]?.slice(2) ?? [];
    if (longest.length < 5) return "no process led long enough to measure the growth of its memory";
    return `memory grows by ${slope(longest).toFixed(1)} MiB an hour over ${longest.length} runs`;
  }
});
