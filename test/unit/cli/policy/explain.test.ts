import { policyReportText } from "../../../../cli/policy/explain-report";
import { reportOf } from "../../../../cli/policy/explain";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { clientOn } from "../../../support/controller-runtime";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
let api: FakeApi;

beforeEach(() => {
  api = new FakeApi();
  put("/api/v1/namespaces", { metadata: { name: "team-a", labels: {} } });
});

const put = (path: string, object: object): Stored => api.put(path, object as Parameters<FakeApi["put"]>[1]);

function pod(name: string, app: string, labels: object = {}): void {
  put("/api/v1/namespaces/team-a/pods", {
    metadata: { name, namespace: "team-a", labels: { app, ...labels } },
    spec: { containers: [{ name: "main" }] },
    status: { phase: "Running" },
  });
}

const READY = {
  type: "Ready",
  status: "True",
  reason: "Scheduled",
  message: "pods that match are checkpointed when they are due",
};

function policy(spec: object = {}, status: object = {}): void {
  put(`${GROUP}/namespaces/team-a/checkpointpolicies`, {
    metadata: {
      name: "nightly",
      namespace: "team-a",
      generation: 1,
      creationTimestamp: "2026-11-27T11:00:00Z",
    },
    spec: {
      trigger: { heartbeat: { intervalSeconds: 900 } },
      filter: { pods: { matchLabels: { app: "web" } } },
      action: { checkpoint: {} },
      ...spec,
    },
    status: {
      observedGeneration: 1,
      conditions: [READY],
      matchedPods: 1,
      inFlight: 0,
      waiting: 0,
      ...status,
    },
  });
}

const explain = (namespace?: string, name = "nightly") =>
  reportOf(
    clientOn(api),
    name,
    { ...(namespace === undefined ? {} : { namespace }), context: "prod", output: "text" },
    NOW,
  );

test("explains a policy that works: what is due, which pods match and why others do not", async () => {
  policy({}, { nextRunTime: "2026-11-27T12:03:10.000Z", lastRunTime: "2026-11-27T11:48:10.000Z" });
  pod("web-0", "web");
  pod("db-0", "db");
  // It verifies a Checkpoint, so the controller does not evaluate it.
  pod("verify-web-0", "web", { "cedana.ai/verification": "x" });
  const report = await explain("team-a");
  expect(report.verdict).toBe("scheduled");
  expect(policyReportText(report)).toBe(`CheckpointPolicy team-a/nightly checkpoints pods when they are due
  condition  Ready=True (Scheduled): pods that match are checkpointed when they are due
  due        next pod at 2026-11-27T12:03:10.000Z
  last run   2026-11-27T11:48:10.000Z
  pods       1 of 2 match, 0 in flight, 0 waiting
  db-0       pods does not match {"matchLabels":{"app":"web"}}
`);
});

test.each<[string, object, object, string, string[]]>([
  [
    "unobserved",
    {},
    { observedGeneration: 0 },
    "is not evaluated: no controller runs",
    ["kubectl --context prod get deployments -A -l app.kubernetes.io/component=controller"],
  ],
  [
    "suspended",
    { suspend: true },
    {},
    "is suspended",
    ["kubectl --context prod edit checkpointpolicy -n team-a nightly"],
  ],
  [
    "invalid",
    { filter: { expression: "pod.spec.nodName == 'x'" } },
    {},
    "problem   filter.expression is invalid: character 10: No such key: nodName",
    ["kubectl --context prod edit checkpointpolicy -n team-a nightly"],
  ],
  [
    "invalid",
    {},
    {
      conditions: [
        { type: "Failed", status: "True", reason: "InvalidAction", message: "verify is not enabled" },
        { ...READY, status: "False", reason: "InvalidAction" },
      ],
    },
    "team-a/nightly does nothing: InvalidAction\n  condition  Failed=True (InvalidAction): verify is not enabled\n  due        never",
    ["kubectl --context prod edit checkpointpolicy -n team-a nightly"],
  ],
  [
    "scheduled",
    { action: { deleteCheckpoints: { keepLast: 1 } }, filter: { owners: [{ kind: "None" }] } },
    {},
    "team-a/nightly works on Checkpoints when it is due: no pod is evaluated",
    [],
  ],
  [
    "scheduled",
    { action: { resume: {} }, filter: { pods: { matchLabels: { app: "other" } } } },
    {},
    "team-a/nightly works on suspended workloads when it is due: no pod is evaluated",
    [],
  ],
  [
    "noPods",
    { filter: { pods: { matchLabels: { app: "other" } } } },
    {},
    "matches no pod",
    ["kubectl --context prod get pods -n team-a --show-labels"],
  ],
  [
    "failing",
    {},
    {
      lastRunTime: "2026-11-27T11:45:00.000Z",
      lastFailures: [
        {
          namespace: "team-a",
          pod: "web-0",
          time: "2026-11-27T11:45:09.000Z",
          reason: "CheckpointFailed",
          message: "criu failed",
        },
      ],
    },
    "failure    2026-11-27T11:45:09.000Z pod team-a/web-0: CheckpointFailed: criu failed",
    [
      "kubectl --context prod get checkpoints -n team-a -l cedana.ai/policy=nightly",
      "kubectl --context prod get events -n team-a --field-selector involvedObject.kind=CheckpointPolicy,involvedObject.name=nightly",
    ],
  ],
  [
    "failing",
    { action: { deleteCheckpoints: { keepLast: 1 } }, filter: { owners: [{ kind: "None" }] } },
    {
      conditions: [
        { type: "Failed", status: "True", reason: "RunFailed", message: "the last run failed" },
        { ...READY, status: "False", reason: "RunFailed", message: "the last run failed" },
      ],
    },
    "team-a/nightly works on Checkpoints, and the last action failed\n  condition  Ready=False (RunFailed): the last run failed\n",
    [
      "kubectl --context prod get events -n team-a --field-selector involvedObject.kind=CheckpointPolicy,involvedObject.name=nightly",
    ],
  ],
  [
    "waiting",
    {},
    { waiting: 4 },
    "wait for a limit",
    [expect.stringContaining("get checkpoints"), expect.stringContaining("get events")],
  ],
])("explains a policy that is %s, with the next commands", async (verdict, spec, status, text, next) => {
  policy(spec, status);
  pod("web-0", "web");
  const report = await explain("team-a");
  expect(report.verdict).toBe(verdict);
  expect(policyReportText(report)).toContain(text);
  expect(report.next).toEqual(next);
});

describe("a policy that notifies", () => {
  const spec = {
    trigger: { checkpointEnded: { outcomes: ["Failed"] } },
    action: { notify: { destination: "ops" } },
  };

  test("reports pods, when a Checkpoint has ended", async () => {
    policy(spec);
    pod("web-0", "web");
    const report = await explain("team-a");
    expect(report).toMatchObject({ verdict: "scheduled", action: "notify", next: [] });
    const text = policyReportText(report);
    expect(text).toContain("CheckpointPolicy team-a/nightly reports pods when they are due");
    expect(text).toContain("when a Checkpoint of a pod has ended, by spec.trigger.checkpointEnded");
  });

  test("waits while a notification is not delivered, and suggests no command for Checkpoints", async () => {
    policy(spec, { waiting: 1 });
    pod("web-0", "web");
    const report = await explain("team-a");
    expect(policyReportText(report)).toContain("has notifications that are not delivered yet");
    expect(report.next).toEqual([expect.stringContaining("get events -n team-a")]);
  });
});

test("explains what a policy verifies, and shows the last outcome", async () => {
  const lastVerified = {
    time: "2026-11-27T11:00:00.000Z",
    namespace: "team-a",
    checkpoint: "web-0-1",
    outcome: "Failed",
    reason: "CRIUFailed",
    message: "criu failed",
  };
  policy({ action: { verify: {} } }, { lastVerified });
  pod("web-0", "web");
  const text = policyReportText(await explain("team-a"));
  expect(text).toContain("team-a/nightly verifies the newest Checkpoints of pods when they are due\n");
  expect(text).toContain(
    "  verified   2026-11-27T11:00:00.000Z Checkpoint team-a/web-0-1: Failed: CRIUFailed: criu failed\n",
  );
});

test.each([
  [{ checkpointThenDelete: {} }, "checkpoints and then evicts pods when they are due"],
  [{ suspend: {} }, "checkpoints pods when they are due, and scales their workloads to zero"],
])("explains the action %j", async (action, expected) => {
  policy({ action });
  pod("web-0", "web");
  expect(policyReportText(await explain("team-a"))).toContain(`team-a/nightly ${expected}\n`);
});

const MIRRORED_CONDITION = {
  ...READY,
  reason: "Mirrored",
  message: "Cedana's platform executes it as policy p-1",
};

test("explains a policy that Cedana's platform executes", async () => {
  policy(
    { executor: "Platform", filter: undefined },
    { conditions: [MIRRORED_CONDITION], platform: { id: "p-1", state: "active", pods: 2 } },
  );
  pod("web-0", "web");
  const report = await explain("team-a");
  expect(report).toMatchObject({ verdict: "mirrored", executor: "Platform", next: [] });
  expect(policyReportText(report)).toBe(`CheckpointPolicy team-a/nightly is executed by Cedana's platform
  condition  Ready=True (Mirrored): Cedana's platform executes it as policy p-1
  due        when the platform decides
  copy       p-1, active, 2 pods
`);
});

test("explains the drift of a copy", async () => {
  const failed = {
    ...MIRRORED_CONDITION,
    type: "Failed",
    reason: "Drifted",
    message: "input is 5 instead of 15",
  };
  policy({ executor: "Platform", filter: undefined }, { conditions: [failed], platform: { id: "p-1" } });
  const report = await explain("team-a");
  expect(report.verdict).toBe("notMirrored");
  expect(policyReportText(report)).toContain(
    "is not executed by Cedana's platform as it is written\n  condition  Failed=True (Drifted): input is 5 instead of 15",
  );
  expect(report.next).toEqual(["kubectl --context prod edit checkpointpolicy -n team-a nightly"]);
});

test("a policy whose last run is later than its last failure works again", async () => {
  const failure = {
    namespace: "team-a",
    pod: "web-0",
    time: "2026-11-27T11:45:09.000Z",
    reason: "X",
    message: "x",
  };
  policy({}, { lastRunTime: "2026-11-27T11:50:00.000Z", lastFailures: [failure] });
  pod("web-0", "web");
  expect((await explain("team-a")).verdict).toBe("scheduled");
});

test("a cluster policy is read without a namespace, and evaluates the pods of all", async () => {
  put(`${GROUP}/clustercheckpointpolicies`, {
    metadata: { name: "all", generation: 1 },
    spec: { trigger: { manual: {} }, filter: { namespaceSelector: {} }, action: { checkpoint: {} } },
    status: { observedGeneration: 1 },
  });
  pod("web-0", "web");
  const report = await explain(undefined, "all");
  expect(report).toMatchObject({ kind: "ClusterCheckpointPolicy", verdict: "scheduled", matched: 1 });
  expect(policyReportText(report)).toContain(
    "due       when the annotation cedana.ai/checkpoint-requested-at",
  );
});

test("names how to find a policy of the other kind, if there is none", async () => {
  await expect(explain("team-a", "none")).rejects.toThrow(
    "the cluster has no CheckpointPolicy team-a/none; for a ClusterCheckpointPolicy, leave out -n",
  );
  await expect(explain(undefined, "none")).rejects.toThrow("add -n NAMESPACE");
});

test("the text names at most 20 pods that do not match", async () => {
  policy();
  pod("web-0", "web");
  for (let index = 0; index < 30; index++) pod(`db-${index}`, "db");
  const text = policyReportText(await explain("team-a"));
  expect(text.match(/pods does not match/g)).toHaveLength(20);
  expect(text).toMatch(/\.\.\. +and 10 more/);
});
