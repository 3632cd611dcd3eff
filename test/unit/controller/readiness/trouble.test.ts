import { assess, messageOf, projectPod } from "../../../../controller/readiness/rules";
import { daemonSet, node, NOW, rawPod, settings } from "./support";

describe("a pod whose containers are Ready, and which is not", () => {
  const gated = (...conditions: readonly Record<string, string>[]) =>
    projectPod(
      {
        ...rawPod("health-check"),
        status: {
          phase: "Running",
          conditions: [
            {
              type: "Ready",
              status: "False",
              reason: "ReadinessGatesNotReady",
              message: "the gate is not True",
            },
            ...conditions,
          ],
          containerStatuses: [{ name: "health-check", ready: true, state: { running: {} } }],
        },
      },
      settings(),
    );
  const check = (status: string, message: string) => ({
    type: "cedana.ai/node-can-checkpoint",
    status,
    message,
  });

  test("tells what its check of the node has found, and the Node condition says it", () => {
    const told = gated(check("False", "kernel: Linux 5.10.1 is older than 6.1;\n registry: does not answer"));
    expect(told.trouble).toBe(
      "says that the node cannot checkpoint: kernel: Linux 5.10.1 is older than 6.1; registry: does not answer",
    );
    const agent = settings().agents[1]!;
    const presence = { agent, daemonSet: daemonSet("health-check"), seen: true };
    const assessment = assess(node(), [presence], [told], settings(), NOW);
    expect(messageOf(assessment)).toBe(
      `Waits for health-check: pod cedana-health-check-n1 ${told.trouble ?? ""}`,
    );
  });

  test("is cut where the check has much to say", () => {
    const { trouble = "" } = gated(check("False", `criu: ${"long ".repeat(400)}`));
    expect(trouble).toMatch(/^says that the node cannot checkpoint: criu: long .*\.\.\.$/);
    expect(trouble.length).toBeLessThan(800);
  });

  test.each([
    ["has not checked yet", []],
    ["has passed its check, but not another gate", [check("True", "")]],
  ])("tells of the gate if it %s", (_, conditions) => {
    expect(gated(...conditions).trouble).toBe(
      "runs, but a readiness gate of it is not passed yet: the gate is not True",
    );
  });

  test("keeps nothing of a pod that is Ready", () => {
    const raw = rawPod("health-check", {
      status: {
        conditions: [{ type: "Ready", status: "True" }, check("True", "ioUring (warning): not disabled")],
      },
    });
    expect(projectPod(raw, settings())).not.toHaveProperty("trouble");
  });
});
