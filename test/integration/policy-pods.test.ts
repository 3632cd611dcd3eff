/**
 * Triggers that follow the state of pods, on a real API server: two controllers as processes, with the permissions and
 * admission policies of the install, simulated pods, and a test double of the manager that takes the checkpoints. Needs
 * CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { ApiServer, eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { isReady, PoliciesInstall } from "./support/policies-install";

const config = kubeconfig();

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
});
