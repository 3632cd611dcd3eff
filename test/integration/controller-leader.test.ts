/**
 * Two replicas, of which one leads. Leaders are killed, cut off and frozen under load: the other must take over in time,
 * and nobody may write who does not hold the Lease. Judged by what passed the replicas' proxies.
 */
import { eventually } from "./support/apiserver";
import type { Fleet, Replica } from "./support/controller-fleet";
import type { Gate } from "./support/controller-gate";
import { Load } from "./support/controller-load";
import { foreignChanges, writesWithoutLease } from "./support/controller-oracle";
import { earlyOpenings } from "./support/controller-replay";
import { Suite, describeController, nodesOf, pause } from "./support/controller-suite";
import { leaderOfAll, takeOver } from "./support/controller-takeover";

/** `npm run test:soak` does it 50 times. */
const KILLS = 5;
/** From the end of a leader until another one's write is answered. */
const TAKE_OVER_MS = 20_000;

describeController("two replicas", () => {
  const suite = new Suite();
  let gate: Gate;
  let fleet: Fleet;
  let load: Load;

  beforeAll(async () => {
    gate = await suite.gate("leader");
    fleet = await suite.fleet(gate, { replicas: 2 });
    load = await Load.start(gate, nodesOf("leader", 60));
  });

  afterAll(async () => {
    await load.stop();
    await suite.close();
  });

  test(
    `the leader is killed ${KILLS} times`,
    suite.run(async () => {
      const times: number[] = [];
      for (let round = 0; round < KILLS; round++)
        times.push(await takeOver(fleet, ({ process }) => process.kill("SIGKILL")));
      console.info(`take-over after SIGKILL: ${times.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(", ")}`);
      expect(times.filter((ms) => ms > TAKE_OVER_MS)).toEqual([]);
    }),
    KILLS * 60_000,
  );

  test(
    "the leader is asked to stop: it gives the Lease back and the other need not wait",
    suite.run(async () => {
      let ended: Replica | undefined;
      const ms = await takeOver(fleet, (leader) => {
        ended = leader;
        leader.process.kill("SIGTERM");
      });
      expect(ms).toBeLessThan(6000);
      expect(ended?.exits.at(-1)).toMatchObject({ code: 0, signal: null });
    }),
  );

  test(
    "the leader is cut off: it ends, and does not write when the network is back",
    suite.run(async () => {
      const leader = await leaderOfAll(fleet);
      const before = leader.exits.length;
      const ms = await takeOver(fleet, ({ proxy }) => proxy.partition());
      await eventually(10, "the process ends", async () => leader.exits.length > before);
      leader.proxy.heal();
      expect(ms).toBeLessThanOrEqual(TAKE_OVER_MS);
      expect(leader.exits.at(-1)).toMatchObject({ code: 1 });
    }),
    90_000,
  );

  test(
    "the leader is frozen for 30 s: it does not write when it wakes up, and ends",
    suite.run(async () => {
      const leader = await leaderOfAll(fleet);
      const before = leader.exits.length;
      const begun = Date.now();
      const ms = await takeOver(fleet, ({ process }) => process.kill("SIGSTOP"));
      await pause(30_000 - (Date.now() - begun));
      leader.process.kill("SIGCONT");
      await eventually(15, "the process ends", async () => leader.exits.length > before);
      expect(ms).toBeLessThanOrEqual(TAKE_OVER_MS);
      expect(leader.exits.at(-1)).toMatchObject({ code: 1 });
    }),
    120_000,
  );

  test(
    "nobody wrote without the Lease, nothing was opened early, no foreign field was written",
    suite.run(async () => {
      await load.stop();
      await gate.untilUntainted(load.nodes, 30);
      expect(writesWithoutLease(fleet.exchanges)).toEqual([]);
      expect(earlyOpenings(gate, Infinity)).toEqual([]);
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
    }),
    60_000,
  );
});
