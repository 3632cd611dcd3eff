/**
 * Two replicas under load. The leader is killed, disconnected and paused: the other replica must take over in time, and only
 * the holder of the Lease may write, as the proxies of the replicas record it.
 */
import { eventually } from "../../testbed/cluster/apiserver";
import type { Fleet, Replica } from "./support/controller/fleet";
import type { Gate } from "../../testbed/cluster/gate";
import { Load } from "./support/controller/load";
import { foreignChanges, gateViolations, writesWithoutLease } from "./support/controller/invariants";
import { Suite, describeController, nodesOf, pause } from "./support/controller/suite";
import { leaderOfAll, takeOver } from "./support/controller/takeover";

/** `npm run test:soak` kills it 50 times. */
const KILLS = 5;
/** From the end of a leader until the response to the next leader's first write. */
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
    `the other replica takes over after SIGKILL, ${KILLS} times`,
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
    "the other replica takes over within 6 s after SIGTERM, because the leader releases the Lease",
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
    "a disconnected leader exits and does not write after the network is restored",
    suite.run(async () => {
      const leader = await leaderOfAll(fleet);
      const before = leader.exits.length;
      const ms = await takeOver(fleet, ({ proxy }) => proxy.partition());
      await eventually(10, "the process exits", async () => leader.exits.length > before);
      leader.proxy.heal();
      expect(ms).toBeLessThanOrEqual(TAKE_OVER_MS);
      expect(leader.exits.at(-1)).toMatchObject({ code: 1 });
    }),
    90_000,
  );

  test(
    "a leader that is paused for 30 s exits without a write when it resumes",
    suite.run(async () => {
      const leader = await leaderOfAll(fleet);
      const before = leader.exits.length;
      const startMs = Date.now();
      const ms = await takeOver(fleet, ({ process }) => process.kill("SIGSTOP"));
      await pause(30_000 - (Date.now() - startMs));
      leader.process.kill("SIGCONT");
      await eventually(15, "the process exits", async () => leader.exits.length > before);
      expect(ms).toBeLessThanOrEqual(TAKE_OVER_MS);
      expect(leader.exits.at(-1)).toMatchObject({ code: 1 });
    }),
    120_000,
  );

  test(
    "no guarantee was violated: writes without the Lease, taints, foreign fields",
    suite.run(async () => {
      await load.stop();
      await gate.untilUntainted(load.nodes, 30);
      expect(writesWithoutLease(fleet.exchanges)).toEqual([]);
      expect(gateViolations(gate, Infinity)).toEqual([]);
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
    }),
    60_000,
  );
});
