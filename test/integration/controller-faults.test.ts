/**
 * The controller behind a proxy that does harm, while nodes and agents come and go. After the faults stop, everything must
 * be as it has to be within a minute, and nothing may have happened meanwhile that may never happen.
 */
import { Churn } from "./support/controller-churn";
import type { Fleet } from "./support/controller-fleet";
import type { Gate } from "./support/controller-gate";
import { foreignChanges, requestRate, writesWithoutLease } from "./support/controller-oracle";
import { Random, SEED } from "../support/random";
import { earlyOpenings } from "./support/controller-replay";
import { Suite, describeController, pause } from "./support/controller-suite";
import { converged, storm } from "./support/controller-storm";
import { Testbed, testbedFolder } from "./support/controller-testbed";
import { ALL_FAULTS, type Fault } from "./support/fault-proxy-faults";

/** `npm run test:soak` does more and longer. */
const [STORM_SECONDS, ROUNDS] = [5, 1];
/** Requests a second of one replica that retries as it should; the churn causes some itself. */
const RATE_UNDER_FAULTS = 40;
/** The Lease asks every 2 s, two requests at most; the rest is watches that end. */
const RATE_AT_REST = 3;

const STORMS: readonly (readonly [string, readonly Fault[], number])[] = [
  ["refusals of writes: 409, 422", ["conflict", "invalid"], 0.5],
  ["a busy API server: 429 with and without Retry-After", ["throttled", "throttledBare"], 0.5],
  ["a broken API server: 500, 503", ["serverError", "unavailable"], 0.5],
  ["expired versions: 410 as an answer and in a watch", ["gone", "watchGone"], 0.5],
  ["lost and late answers, closed connections", ["answerLost", "slow", "reset"], 0.4],
  [
    "watches cut, also in the middle of a line, and without bookmarks",
    ["watchCut", "watchTruncated", "noBookmarks"],
    0,
  ],
  ["silence: requests never answered, half-open watches", ["noAnswer", "watchSilent"], 0.3],
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

  const say = (after: string, ms: number) => console.info(`after ${after}: ${(ms / 1000).toFixed(1)} s`);

  for (const [name, kinds, rate] of STORMS) {
    test(
      `faults: ${name}`,
      suite.run(async () => {
        const result = await storm(fleet, churn, { kinds, rate, watchSeconds: 4 }, STORM_SECONDS);
        say(name, result.convergedMs);
        expect(result.wrong).toEqual([]);
        expect(result.rate).toBeLessThanOrEqual(RATE_UNDER_FAULTS);
      }),
      120_000,
    );
  }

  test(
    "all kinds of faults, mixed",
    suite.run(async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const result = await storm(
          fleet,
          churn,
          { kinds: ALL_FAULTS, rate: 0.3, watchSeconds: 4 },
          2 * STORM_SECONDS,
        );
        say("all kinds", result.convergedMs);
        expect(result.wrong).toEqual([]);
        expect(result.rate).toBeLessThanOrEqual(RATE_UNDER_FAULTS);
      }
      const met = new Set(fleet.exchanges.map(({ fault }) => fault));
      expect(ALL_FAULTS.filter((kind) => !met.has(kind))).toEqual([]);
    }),
    200_000,
  );

  const folder = testbedFolder();
  (folder === undefined ? describe.skip : describe)("with the test bed at hand", () => {
    test(
      "the API server is killed and started again, and etcd has forgotten what was before",
      suite.run(async () => {
        const testbed = new Testbed(folder ?? "", gate.api);
        churn.start();
        await pause(3000);
        await testbed.compact();
        await testbed.restartApiServer(3000);
        await pause(3000);
        await churn.settle();
        const { wrong, convergedMs } = await converged(fleet);
        say("a restart of the API server", convergedMs);
        expect(wrong).toEqual([]);
      }),
      180_000,
    );
  });

  test(
    "at rest it asks for little",
    suite.run(async () => {
      await pause(5000);
      const [begun, seconds] = [Date.now(), 8];
      await pause(seconds * 1000);
      const rate = requestRate(fleet.exchanges, begun, begun + seconds * 1000) / fleet.replicas.length;
      expect(rate).toBeLessThanOrEqual(RATE_AT_REST);
    }),
  );

  test(
    "nothing was opened early, no foreign field was written, nobody wrote without the Lease",
    suite.run(async () => {
      expect(earlyOpenings(gate, Infinity)).toEqual([]);
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
      expect(writesWithoutLease(fleet.exchanges)).toEqual([]);
      // A lost Lease ends the process with 1; nothing else may.
      const codes = new Set(fleet.replicas.flatMap(({ ownExits }) => ownExits).map(({ code }) => code));
      expect([...codes].filter((code) => code !== 1)).toEqual([]);
    }),
  );
});
