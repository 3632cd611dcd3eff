import { PolicyCluster } from "./cluster";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
let cluster: PolicyCluster;

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  cluster = new PolicyCluster({ settings: { maxInFlight: 50 } });
});
afterEach(async () => {
  cluster.stop();
  await seconds(0);
  jest.useRealTimers();
});

test("checkpoints one pod of each revision of a Deployment once it is Ready, across leaders", async () => {
  cluster.policy("warm", { trigger: { startup: { readySeconds: 30 } } });
  const of = (hash: string, readySince?: string) => ({
    metadata: {
      labels: { "pod-template-hash": hash },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          controller: true,
          kind: "ReplicaSet",
          name: `web-${hash}`,
          uid: `rs-${hash}`,
        },
      ],
    },
    status: {
      phase: "Running",
      conditions: [
        {
          type: "Ready",
          status: readySince ? "True" : "False",
          lastTransitionTime: readySince ?? "2026-11-27T11:59:00Z",
        },
      ],
    },
  });
  for (const name of ["a", "b"]) cluster.pod(name, of("abc", "2026-11-27T12:00:10Z"));
  cluster.pod("c", of("abc"));
  const stop = cluster.start();
  await seconds(35);
  expect(await cluster.created()).toEqual([]);
  await seconds(10);
  const [first, ...others] = await cluster.created();
  expect(first?.metadata.name).toMatch(/^web-[0-9a-f]{12}$/);
  expect(others).toEqual([]);
  stop();
  await seconds(5);
  cluster.start();
  await seconds(60);
  expect(await cluster.created()).toHaveLength(1);
  cluster.pod("d", of("def", new Date().toISOString()));
  await seconds(40);
  expect((await cluster.created()).map(({ spec }) => spec.podRef.name).toSorted()).toEqual([
    expect.stringMatching(/^[ab]$/),
    "d",
  ]);
});
