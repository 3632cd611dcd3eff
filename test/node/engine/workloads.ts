/** Workloads of several kinds, and pods that use what a pod can have. */
import { counting } from "../../../testbed/node/counting";
import { ready, RESTORE } from "../support/steps";
import { NAMES, PAIR, shellAfter, type Suite } from "./pods";

const METADATA = { labels: { app: "web" }, annotations: RESTORE("latest") };
const POD = { terminationGracePeriodSeconds: 1, tolerations: [{ operator: "Exists" }] };
const ONE = { ...POD, containers: [counting("count", 16)] };

export function workloadTests(suite: Suite): void {
  const create = (apiVersion: string, kind: string, spec: object) =>
    suite.engine.kubectl(["create", "-f", "-"], { apiVersion, kind, metadata: { name: "web" }, spec });

  test("a deleted pod of a Deployment resumes from the newest checkpoint", async () => {
    create("apps/v1", "Deployment", {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: METADATA, spec: { ...POD, ...PAIR } },
    });
    await suite.steps.replacedPodResumes(NAMES);
  });

  test("each pod of a StatefulSet resumes from its own checkpoint", async () => {
    const { steps } = suite;
    create("apps/v1", "StatefulSet", {
      replicas: 2,
      podManagementPolicy: "Parallel",
      serviceName: "web",
      selector: { matchLabels: { app: "web" } },
      template: { metadata: METADATA, spec: ONE },
    });
    const pods = ["web-0", "web-1"];
    const before = await Promise.all(pods.map((pod) => steps.counts.reach(pod, "count", 3)));
    await Promise.all(pods.map((pod) => steps.taken(`cp-${pod}`, pod)));
    await steps.deleteReplaced(pods);
    await Promise.all(pods.map((pod, at) => steps.resumed(pod, ["count"], [before[at]!])));
  });

  test("a deleted pod of a Job resumes", async () => {
    create("batch/v1", "Job", { template: { metadata: METADATA, spec: { ...ONE, restartPolicy: "Never" } } });
    await suite.steps.replacedPodResumes(["count"]);
  });

  test("a shell resumes", async () => {
    expect(ready(await suite.steps.resumes([shellAfter("true")]))).toMatchObject({ status: "True" });
  });

  test("256 MB of a non-root user with a read-only root file system resume", async () => {
    const securityContext = { runAsUser: 1000, runAsNonRoot: true, readOnlyRootFilesystem: true };
    const container = { ...counting("count", 256), securityContext };
    const { status } = await suite.steps.resumes([container]);
    expect(status.sizeBytes).toBeGreaterThan(256 * 2 ** 20);
  });
}
