/**
 * Triggers that follow the state of pods, on a real API server: two controllers as processes, with the permissions and
 * admission policies of the install, simulated pods, and a test double of the manager that takes the checkpoints. Needs
 * CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { ApiServer, eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { MetricsServer } from "./support/metrics-server";
import { isReady, PoliciesInstall } from "./support/policies-install";

const config = kubeconfig();
const MIB = 1024 * 1024;

(config === undefined ? describe.skip : describe)("policies that follow the state of pods", () => {
  let install: PoliciesInstall;

  beforeAll(async () => {
    install = new PoliciesInstall(new ApiServer(config ?? ""), "pod-policies");
    await install.start();
  });
  afterAll(async () => {
    await install.stop();
    install.api.close();
  });

  test("one pod of a Deployment is checkpointed when it has been Ready for the time, also if the leader is killed", async () => {
    await install.policy("warm", {
      trigger: { startup: { readySeconds: 20 } },
      filter: { owners: [{ kind: "Deployment", names: ["slow"] }] },
    });
    const pods = await install.deployment("slow", 3);
    const ready = new Date();
    for (const pod of pods) await install.setRunning(pod, ready);
    await install.killLeader();
    await eventually(90, "a Checkpoint is completed", async () =>
      (await install.taken("warm")).some(isReady),
    );
    await eventually(40, "the pods match", async () => {
      const { matchedPods, waiting, inFlight } = await install.statusOf("warm");
      return matchedPods === 3 && waiting === 0 && inFlight === 0;
    });
    const all = await install.taken("warm");
    expect(all).toMatchObject([{ metadata: { name: expect.stringMatching(/^slow-[0-9a-f]{12}$/) } }]);
    const dueMs = Date.parse(all[0]?.metadata.annotations["cedana.ai/policy-due"] ?? "");
    expect(dueMs).toBe(Math.floor(ready.getTime() / 1000) * 1000 + 20_000);
  }, 300_000);

  test("memory that the metrics server reports starts one Checkpoint for each crossing, also if the leader is killed", async () => {
    const limit = 100 * MIB;
    await install.policy("full", {
      trigger: { memory: { percent: 80 } },
      filter: { owners: [{ kind: "Deployment", names: ["grower"] }] },
      minSpacingSeconds: 0,
    });
    const pods = await install.deployment("grower", 2, { resources: { limits: { memory: "100Mi" } } });
    for (const pod of pods) await install.setRunning(pod);
    await eventually(60, "the policy reports that there are no metrics", async () => {
      const { conditions } = await install.statusOf("full");
      const failed = conditions?.find(({ type, status }) => type === "Failed" && status === "True");
      return failed?.reason === "ReadingsFailed" && failed.message.includes("metrics.k8s.io");
    });
    const metrics = new MetricsServer(install.api, install.team);
    try {
      await metrics.start();
      for (const pod of pods) metrics.set(`${install.team}/${pod}`, { app: 0.5 * limit });
      const [pod = ""] = pods;
      const taken = async (count: number) =>
        eventually(60, `${count} Checkpoints are completed`, async () => {
          const all = await install.taken("full");
          expect(all.length).toBeLessThanOrEqual(count);
          return all.filter(isReady).length === count;
        });
      await eventually(60, "the pods are watched", async () => {
        const [watch] = await install.memoryWatches();
        return (
          watch?.spec.watches.length === 2 && watch.status?.observedGeneration === watch.metadata.generation
        );
      });
      metrics.set(`${install.team}/${pod}`, { app: 0.85 * limit });
      const crossedMs = Date.now();
      await taken(1);
      console.log(
        `memory: from the value of the metrics server to the Checkpoint: ${Date.now() - crossedMs} ms`,
      );
      await install.killLeader();
      // It moves around the threshold, which the next leader continues to watch.
      for (const part of [0.79, 0.82, 0.75, 0.9]) {
        metrics.set(`${install.team}/${pod}`, { app: part * limit });
        const before = metrics.seen.length;
        await eventually(90, "the metrics are read twice", () =>
          Promise.resolve(metrics.seen.length >= before + 2),
        );
      }
      expect(await install.taken("full")).toHaveLength(1);
      metrics.set(`${install.team}/${pod}`, { app: 0.5 * limit });
      await eventually(60, "it is re-armed", async () => {
        const [watch] = await install.memoryWatches();
        return watch?.status?.crossings?.[0]?.rearmed === true;
      });
      metrics.set(`${install.team}/${pod}`, { app: 0.95 * limit });
      await taken(2);
      const all = await install.taken("full");
      expect(all.map(({ spec }) => spec.podRef.name)).toEqual([pod, pod]);
      const { conditions } = await install.statusOf("full");
      expect(conditions?.filter(({ status }) => status === "True")).toMatchObject([{ reason: "Scheduled" }]);
      await install.api.request("DELETE", `${install.policies}/full`);
      await eventually(30, "nothing is watched", async () => (await install.memoryWatches()).length === 0);
    } finally {
      await metrics.stop();
    }
  }, 600_000);
});
