/**
 * The controller behind a proxy that injects faults, while nodes and agents are added and removed. The cluster must converge
 * within a minute after the faults, and the guarantees must hold all the time.
 */
import { Churn } from "./support/controller/churn";
import type { Fleet } from "./support/controller/fleet";
import type { Gate } from "../../testbed/cluster/gate";
import {
  foreignChanges,
  gateViolations,
  requestRate,
  writesWithoutLease,
} from "./support/controller/invariants";
import { Random, SEED } from "../../testbed/random";
import { Suite, describeController, pause } from "./support/controller/suite";
import { converged, runWithFaults } from "./support/controller/fault-run";
import { Testbed, testbedFolder } from "./support/controller/testbed";
import { ALL_FAULTS, type Fault } from "./support/controller/faults";

/** `npm run test:soak` runs more and longer. */
const [RUN_SECONDS, ROUNDS] = [5, 1];
/** Requests per second of a replica that retries with backoff; some are caused by the churn. */
const RATE_UNDER_FAULTS = 40;
/** Requests per second: at most two every 2 s for the Lease, and restarts of watches. */
const RATE_AT_REST = 3;

const FAULT_RUNS: readonly (readonly [string, readonly Fault[], number])[] = [
  ["rejected writes: 409, 422", ["conflict", "invalid"], 0.5],
  ["a busy API server: 429 with and without Retry-After", ["throttled", "throttledBare"], 0.5],
  ["a broken API server: 500, 503", ["serverError", "unavailable"], 0.5],
  ["expired versions: 410 as a response and in a watch", ["gone", "watchGone"], 0.5],
  ["lost and delayed responses, closed connections", ["responseLost", "slow", "reset"], 0.4],
  [
    "watches cut, also in the middle of a line, and without bookmarks",
    ["watchCut", "watchTruncated", "noBookmarks"],
    0,
  ],
  ["silence: requests without response, half-open watches", ["noResponse", "watchSilent"], 0.3],
];

describeController("the controller under faults", () => {
  const suite = new Suite();
  const random = new Random(SEED);
  let gate: Gate;
  let fleet: Fleet;
  let churn: Churn;

  beforeAll(async () => {
    gate = await suite.gate("faults");
    fleet = await suite.fleet(gate, { replicas: 2 });
    churn = new Churn(gate, random, { prefix: "faults", nodes: 16, pauseMs: 60 });
  });

  afterAll(() => suite.close());

  const log = (after: string, ms: number) =>
    console.info(`converged after ${after}: ${(ms / 1000).toFixed(1)} s`);

  for (const [name, kinds, rate] of FAULT_RUNS) {
    test(
      `converges after ${name}`,
      suite.run(async () => {
        const result = await runWithFaults(fleet, churn, { kinds, rate, watchSeconds: 4 }, RUN_SECONDS);
        log(name, result.convergedMs);
        expect(result.wrong).toEqual([]);
        expect(result.rate).toBeLessThanOrEqual(RATE_UNDER_FAULTS);
      }),
      120_000,
    );
  }

  test(
    "converges after all kinds of faults, mixed",
    suite.run(async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const result = await runWithFaults(
          fleet,
          churn,
          { kinds: ALL_FAULTS, rate: 0.3, watchSeconds: 4 },
          2 * RUN_SECONDS,
        );
        log("all kinds", result.convergedMs);
        expect(result.wrong).toEqual([]);
        expect(result.rate).toBeLessThanOrEqual(RATE_UNDER_FAULTS);
      }
      const injected = new Set(fleet.exchanges.map(({ fault }) => fault));
      expect(ALL_FAULTS.filter((kind) => !injected.has(kind))).toEqual([]);
    }),
    200_000,
  );

  const folder = testbedFolder();
  (folder === undefined ? describe.skip : describe)("with the test bed", () => {
    test(
      "converges after a restart of the API server with a compacted etcd",
      suite.run(async () => {
        const testbed = new Testbed(folder ?? "", gate.api);
        churn.start();
        await pause(3000);
        await testbed.compact();
        await testbed.restartApiServer(3000);
        await pause(3000);
        await churn.settle();
        const { wrong, convergedMs } = await converged(fleet);
        log("a restart of the API server", convergedMs);
        expect(wrong).toEqual([]);
      }),
      180_000,
    );
  });

  test(
    "sends few requests when idle",
    suite.run(async () => {
      await pause(5000);
      const [startMs, seconds] = [Date.now(), 8];
      await pause(seconds * 1000);
      const rate = requestRate(fleet.exchanges, startMs, startMs + seconds * 1000) / fleet.replicas.length;
      expect(rate).toBeLessThanOrEqual(RATE_AT_REST);
    }),
  );

  test(
    "no guarantee was violated: taints, foreign fields, writes without the Lease",
    suite.run(async () => {
      expect(gateViolations(gate, Infinity)).toEqual([]);
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
      expect(writesWithoutLease(fleet.exchanges)).toEqual([]);
      // Only a lost Lease may end the process, with 1.
      const codes = new Set(
        fleet.replicas.flatMap(({ unexpectedExits }) => unexpectedExits).map(({ code }) => code),
      );
      expect([...codes].filter((code) => code !== 1)).toEqual([]);
    }),
  );
});
