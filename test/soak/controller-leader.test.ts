/** Kills the leader many times under load; @see test/integration/controller-leader.test.ts */
import type { Fleet } from "../integration/support/controller/fleet";
import type { Gate } from "../integration/support/controller/gate";
import { Load } from "../integration/support/controller/load";
import {
  foreignChanges,
  gateViolations,
  writesWithoutLease,
} from "../integration/support/controller/invariants";
import { Suite, describeController, nodesOf } from "../integration/support/controller/suite";
import { takeOver } from "../integration/support/controller/takeover";
import { SoakRecord, numberOf } from "./record";

const KILLS = numberOf("CEDANA_SOAK_KILLS", 50);
const TAKE_OVER_MS = 20_000;

describeController("a leader that is killed repeatedly", () => {
  const suite = new Suite();
  const record = new SoakRecord<{ readonly takeOverMs: number }>("leader");
  let gate: Gate;
  let fleet: Fleet;
  let load: Load;

  beforeAll(async () => {
    gate = await suite.gate("soak-leader");
    fleet = await suite.fleet(gate, { replicas: 2 });
    load = await Load.start(gate, nodesOf("soak-leader", 60));
  });

  afterAll(async () => {
    await load.stop();
    await suite.close();
  });

  test(
    `another replica leads within 20 s, and only the holder of the Lease writes, ${KILLS} times`,
    suite.run(async () => {
      while (record.done.length < KILLS) {
        const takeOverMs = await takeOver(fleet, ({ process }) => process.kill("SIGKILL"));
        expect(takeOverMs).toBeLessThanOrEqual(TAKE_OVER_MS);
        expect(writesWithoutLease(fleet.exchanges)).toEqual([]);
        expect(gateViolations(gate, Infinity)).toEqual([]);
        expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
        expect(fleet.unhandled()).toEqual([]);
        record.add({ takeOverMs });
      }
      const times = record.done.map(({ takeOverMs }) => takeOverMs / 1000).toSorted((one, two) => one - two);
      const median = times[Math.floor(times.length / 2)] ?? 0;
      console.info(
        `${times.length} kills; take-over: median ${median.toFixed(1)} s, longest ${times.at(-1)} s`,
      );
      expect(times.length).toBe(KILLS);
    }),
    KILLS * 60_000,
  );
});
