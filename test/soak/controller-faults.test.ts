/** Faults of all kinds with one seed after the other; @see test/integration/controller-faults.test.ts */
import { Churn } from "../integration/support/controller-churn";
import type { Fleet } from "../integration/support/controller-fleet";
import type { Gate } from "../integration/support/controller-gate";
import { foreignChanges, writesWithoutLease } from "../integration/support/controller-oracle";
import { Random, SEED } from "../support/random";
import { earlyOpenings } from "../integration/support/controller-replay";
import { converged, storm } from "../integration/support/controller-storm";
import { Suite, describeController } from "../integration/support/controller-suite";
import { Testbed } from "../integration/support/controller-testbed";
import { ALL_FAULTS } from "../integration/support/fault-proxy-faults";
import { SoakRecord, numberOf, slope } from "./record";

const HOURS = numberOf("CEDANA_SOAK_MINUTES", 60) / 60;
const STORM_SECONDS = 60;
/** So many storms between two restarts of the API server. */
const STORMS_A_RESTART = 5;

interface Storm {
  readonly seed: number;
  readonly hours: number;
  readonly convergedMs: number;
  /** Resident memory of the leader after it. A process that was started anew begins a new line. */
  readonly residentMiB: number;
  readonly process: string;
}

describeController("faults for a long time", () => {
  const suite = new Suite();
  const record = new SoakRecord<Storm>("faults");
  let gate: Gate;
  let fleet: Fleet;

  beforeAll(async () => {
    gate = await suite.gate("soak-faults");
    fleet = await suite.fleet(gate, { replicas: 2 });
  });

  afterAll(() => suite.close());

  test(
    `for ${(HOURS * 60).toFixed(0)} minutes, each storm with a seed of its own`,
    suite.run(async () => {
      while (record.done.reduce((sum, { hours }) => sum + hours, 0) < HOURS) {
        record.add(await once(SEED + record.done.length));
      }
      const longest = Math.max(...record.done.map(({ convergedMs }) => convergedMs));
      console.info(
        `${record.done.length} storms; longest until rest ${(longest / 1000).toFixed(1)} s; ${memory()}`,
      );
      expect(longest).toBeLessThanOrEqual(60_000);
    }),
    HOURS * 3_600_000 + 600_000,
  );

  async function once(seed: number): Promise<Storm> {
    const begun = Date.now();
    if (seed % STORMS_A_RESTART === 0) await restartApiServer();
    const churn = new Churn(gate, new Random(seed), { prefix: `soak-${seed}`, nodes: 40, pauseMs: 60 });
    const plan = { kinds: ALL_FAULTS, rate: 0.3, watchSeconds: 30 };
    const { wrong, convergedMs } = await storm(fleet, churn, plan, STORM_SECONDS);
    expect([seed, wrong]).toEqual([seed, []]);
    expect([seed, earlyOpenings(gate, Infinity)]).toEqual([seed, []]);
    expect([seed, foreignChanges(gate, fleet.exchanges)]).toEqual([seed, []]);
    expect([seed, writesWithoutLease(fleet.exchanges)]).toEqual([seed, []]);
    expect([seed, fleet.unhandled()]).toEqual([seed, []]);
    for (const node of churn.nodes) await gate.leave(node);
    gate.forget();
    fleet.forget();
    const { process: leader } = fleet.leader ?? fleet.replicas[0] ?? {};
    return {
      seed,
      hours: (Date.now() - begun) / 3_600_000,
      convergedMs,
      residentMiB: leader?.usage().residentMiB ?? 0,
      process: `${leader?.startedAt}`,
    };
  }

  /** Where the test bed is at hand. What is not well after it shows in the storm that follows. */
  async function restartApiServer(): Promise<void> {
    const folder = process.env["CEDANA_INTEGRATION_TESTBED_DIR"];
    if (!folder) return;
    const testbed = new Testbed(folder, gate.api);
    await testbed.compact();
    await testbed.restartApiServer(2000);
    await converged(fleet);
  }

  /** Growth of the memory of the process that led longest, its first storms left out. */
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
    if (longest.length < 5) return "no process led long enough to tell the growth of its memory";
    return `memory grows by ${slope(longest).toFixed(1)} MiB an hour over ${longest.length} storms`;
  }
});
