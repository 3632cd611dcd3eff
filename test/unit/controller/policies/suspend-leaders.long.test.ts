/** The actions `suspend` and `resume` with leaders that end at each of their requests. */
import {
  checkpoints,
  deployment,
  finish,
  policy,
  PODS,
  request,
  reset,
  RESUME,
  scaleOf,
  seconds,
  start,
  SUSPEND,
  world,
} from "./suspend-support";

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  reset();
});
afterEach(async () => {
  for (const stop of world.stops) stop();
  await seconds(0);
  jest.useRealTimers();
});

test.each([false, true])(
  "a leader that ends at any request, executed: %s, suspends and resumes the Deployment once",
  async (isExecuted) => {
    for (let cut = 1; ; cut++) {
      reset();
      policy("night", SUSPEND);
      policy("morning", RESUME);
      const path = deployment(2);
      let [count, isCut] = [0, false];
      const inner = world.api.send.bind(world.api);
      const scales = [2];
      let stop = () => {};
      world.api.send = async (...given) => {
        const [method, url] = given;
        if (isCut) throw new Error("the leader has ended");
        const isStart =
          method === "GET" && !/\/(checkpoints|deployments|replicasets)\/\w|labelSelector|pods$/.test(url);
        const execute = async () => {
          try {
            return await inner(...given);
          } finally {
            // Also of a write whose response was lost.
            const { replicas } = scaleOf(path);
            if (replicas !== scales.at(-1)) scales.push(replicas);
          }
        };
        if (isStart || ++count !== cut) return execute();
        isCut = true;
        stop();
        if (isExecuted) await execute();
        throw new Error("socket hang up");
      };
      /** Runs leaders one after the other, until one has not ended at a request. */
      const step = async () => {
        for (let run = 0; run < 2 || isCut; run++) {
          isCut = false;
          stop = start();
          await seconds(20);
          stop();
          await seconds(1);
        }
        isCut = false;
      };
      request();
      await step();
      await finish();
      await step();
      expect([cut, scaleOf(path).replicas]).toEqual([cut, 0]);
      for (const name of ["web-6c-0", "web-6c-1"]) world.api.remove(`${PODS}/${name}`);
      request(path);
      await step();
      expect([cut, scaleOf(path).replicas, scales, (await checkpoints()).length]).toEqual([
        cut,
        2,
        [2, 0, 2],
        2,
      ]);
      // All requests were the last one of a leader once.
      if (count < cut) return;
    }
  },
  120_000,
);
