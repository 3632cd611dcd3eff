/** Work of queues between two turns of the event loop, counted. */
import { runWorkers, WorkQueue } from "../../../kube/controller/queue";
import { Metrics } from "../../../kube";
import { logInto } from "../../support/controller-runtime";

/** Counts steps between turns of the event loop. @returns the largest number so far */
function counter() {
  let [now, most, ended] = [0, 0, false];
  const reset = () => {
    now = 0;
    if (!ended) setImmediate(reset);
  };
  setImmediate(reset);
  return {
    step: () => void (most = Math.max(most, ++now)),
    end: () => {
      ended = true;
      return most;
    },
  };
}

test.each([1, 4])(
  "%d workers reconcile few of 10,000 keys that need no request in one turn",
  async (workers) => {
    const log = logInto([]);
    const metrics = new Metrics();
    const queue = new WorkQueue({ name: "test", metrics });
    const stop = new AbortController();
    const turns = counter();
    let left = 10_000;
    for (let index = 0; index < left; index++) queue.add(`tenant/${index}`);
    await runWorkers({
      name: "test",
      queue,
      workers,
      signal: stop.signal,
      log,
      metrics: metrics.controller("test", workers),
      reconcile: async () => {
        turns.step();
        if (--left === 0) stop.abort();
      },
    });
    expect(left).toBe(0);
    expect(turns.end()).toBeLessThanOrEqual(50 + workers);
  },
);
