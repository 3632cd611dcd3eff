import { assess, messageOf, projectPod } from "../../../../controller/readiness/rules";
import { daemonSet, node, NOW, rawPod, settings } from "./support";

test("names the container that has not passed its readiness probe", () => {
  const status = { containerStatuses: [{ name: "main", ready: false, state: { running: {} } }] };
  const { unreadyReason } = projectPod({ ...rawPod("helper"), status }, settings());
  expect(unreadyReason).toBe("has not passed the readiness probe of container main");
});

describe("the unready reason of a pod whose containers are Ready", () => {
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

  test("is the result of the health check, and part of the Node condition's message", () => {
    const pod = gated(check("False", "kernel: Linux 5.10.1 is older than 6.1;\n registry: does not answer"));
    expect(pod.unreadyReason).toBe(
      "reports that the node cannot checkpoint: kernel: Linux 5.10.1 is older than 6.1; registry: does not answer",
    );
    const agent = settings().agents[1]!;
    const presence = { agent, daemonSet: daemonSet("health-check"), seen: true };
    const assessment = assess(node(), [presence], [pod], settings(), NOW);
    expect(messageOf(assessment)).toBe(
      `Waiting for health-check: pod cedana-health-check-n1 ${pod.unreadyReason ?? ""}`,
    );
  });

  test("is cut if the health check reports too much", () => {
    const { unreadyReason = "" } = gated(check("False", `criu: ${"long ".repeat(400)}`));
    expect(unreadyReason).toMatch(/^reports that the node cannot checkpoint: criu: long .*\.\.\.$/);
    expect(unreadyReason.length).toBeLessThan(800);
  });

  test.each([
    ["has not checked yet", []],
    ["has passed its check, but not another gate", [check("True", "")]],
  ])("is the readiness gate if the pod %s", (_, conditions) => {
    expect(gated(...conditions).unreadyReason).toBe(
      "is running, but a readiness gate is not met: the gate is not True",
    );
  });

  test("is missing on a pod that is Ready", () => {
    const raw = rawPod("health-check", {
      status: {
        conditions: [{ type: "Ready", status: "True" }, check("True", "ioUring (warning): not disabled")],
      },
    });
    expect(projectPod(raw, settings())).not.toHaveProperty("unreadyReason");
  });
});
