/**
 * Kinds CheckpointPolicy and ClusterCheckpointPolicy on a real API server: accepted and rejected objects with their messages,
 * defaults and columns. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { Chart, Testing } from "cdk8s";
import { CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY } from "../../api";
import { Crd } from "../../constructs/kubernetes/crds";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { apply } from "./support/apiserver-install";

const config = kubeconfig();
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const COLLECTION = `${GROUP}/namespaces/default/checkpointpolicies`;
const CLUSTER_COLLECTION = `${GROUP}/clustercheckpointpolicies`;

const interval = { heartbeat: { intervalSeconds: 900 } };
const cron = (text: string, more: object = {}) => ({ trigger: { heartbeat: { cron: text, ...more } } });
const pods = (selector: object) => ({ filter: { pods: selector } });

(config === undefined ? describe.skip : describe)("kinds of policies", () => {
  let api: ApiServer;

  async function message(spec: object, name = "sample"): Promise<string> {
    const { status, body } = await api.tryCreate({
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name, namespace: "default" },
      spec: { trigger: interval, action: { checkpoint: {} }, ...spec },
    });
    return `${status} ${String(body["message"])}`;
  }

  async function clusterMessage(filter: object | undefined): Promise<string> {
    const { status, body } = await api.tryCreate({
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "ClusterCheckpointPolicy",
      metadata: { name: "sample" },
      spec: { trigger: interval, action: { checkpoint: {} }, ...(filter && { filter }) },
    });
    return `${status} ${String(body["message"])}`;
  }

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    const chart = new Chart(Testing.app(), "crds");
    for (const kind of [CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY]) new Crd(chart, kind.crdName, { kind });
    for (const definition of Testing.synth(chart) as KubernetesObject[]) await apply(api, definition);
    for (const path of [COLLECTION, CLUSTER_COLLECTION])
      await eventually(30, `${path} is served`, async () => (await api.request("GET", path)).status === 200);
  });
  afterAll(async () => {
    for (const path of [COLLECTION, CLUSTER_COLLECTION]) await api.request("DELETE", path);
    api.close();
  });

  test.each<[string, object]>([
    ["an interval", {}],
    ["an interval with jitter", { trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 60 } } }],
    ["cron", cron("0 3 * * *")],
    ["cron with a time zone", cron("0 3 * * *", { timeZone: "Europe/Berlin" })],
    ["cron with lists, ranges, steps and names", cron("*/15,7 0-6/2 1,15 JAN-mar MON-FRI")],
    ["cron in UTC", cron("59 23 31 12 7", { timeZone: "UTC" })],
    ["requests", { trigger: { manual: {} } }],
    ["signed requests", { trigger: { webhook: { secret: { name: "hooks", key: "a.b" } } } }],
    ["evictions", { action: { checkpointThenDelete: { engine: "criu" } } }],
    [
      "suspensions",
      { action: { suspend: {} }, filter: { owners: [{ kind: "Deployment" }, { kind: "Job" }] } },
    ],
    ["resumption", { action: { resume: {} }, filter: { pods: { matchLabels: { app: "web" } } } }],
    [
      "all filters",
      {
        filter: {
          pods: {
            matchLabels: { app: "web", "example.com/tier": "" },
            matchExpressions: [
              { key: "app", operator: "In", values: ["web", "db"] },
              { key: "canary", operator: "DoesNotExist" },
            ],
          },
          owners: [{ kind: "Deployment", names: ["web"] }, { kind: "None" }],
          containers: ["main"],
          minRunningSeconds: 600,
          restarts: { min: 0, max: 3 },
          phases: ["Running"],
        },
        action: { checkpoint: { engine: "criu", leaveRunning: false } },
        minSpacingSeconds: 900,
        deadlineSeconds: 60,
        maxInFlight: 1000,
        suspend: true,
      },
    ],
  ])("accepts %s", async (_, spec) => {
    expect(await message(spec)).toMatch(/^201 /);
  });

  test.each<[string, object, string]>([
    ["no trigger", { trigger: {} }, "set exactly one trigger: "],
    ["two triggers", { trigger: { ...interval, manual: {} } }, "set exactly one trigger: "],
    ["an empty heartbeat", { trigger: { heartbeat: {} } }, "set either intervalSeconds or cron"],
    ["interval and cron", cron("0 3 * * *", { intervalSeconds: 900 }), "set either intervalSeconds or cron"],
    [
      "an interval of zero",
      { trigger: { heartbeat: { intervalSeconds: 0 } } },
      "should be greater than or equal to 60",
    ],
    [
      "a jitter that exceeds the interval",
      { trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 61 } } },
      "jitterSeconds must not exceed intervalSeconds",
    ],
    [
      "a time zone without cron",
      { trigger: { heartbeat: { intervalSeconds: 60, timeZone: "UTC" } } },
      "timeZone has no effect without cron",
    ],
    [
      "a time zone that does not exist",
      cron("0 3 * * *", { timeZone: "Mars/Olympus" }),
      "timeZone must exist in the IANA database",
    ],
    ["an offset as a time zone", cron("0 3 * * *", { timeZone: "+01:00" }), "timeZone in body should match"],
    ...[
      "61 * * * *",
      "* 24 * * *",
      "* * 0 * *",
      "* * * 13 *",
      "* * * * 8",
      "* * * *",
      "0 * * * * *",
      "@daily",
      "0 3 * * MOON",
      "*/0 * * * *",
      "0 3 L * *",
    ].map((text): [string, object, string] => [
      `the cron ${text}`,
      cron(text),
      "cron must have five fields: minute (0-59)",
    ]),
    ["no action", { action: {} }, "set exactly one action: checkpoint, checkpointThenDelete, "],
    [
      "two actions",
      { action: { checkpoint: {}, suspend: {} } },
      "set exactly one action: checkpoint, checkpointThenDelete, ",
    ],
    [
      "a webhook without a Secret",
      { trigger: { webhook: {} } },
      "spec.trigger.webhook.secret: Required value",
    ],
    [
      "a webhook with a short interval",
      { trigger: { webhook: { secret: { name: "hooks" }, minIntervalSeconds: 9 } } },
      "should be greater than or equal to 10",
    ],
    [
      "a Secret whose name is a path",
      { trigger: { webhook: { secret: { name: "../hooks" } } } },
      "spec.trigger.webhook.secret.name in body should match",
    ],
    [
      "the suspension of a DaemonSet",
      { action: { suspend: {} }, filter: { owners: [{ kind: "Job" }, { kind: "DaemonSet" }] } },
      "suspend supports only the owners Deployment, StatefulSet, ReplicaSet and Job",
    ],
    [
      "a running time of suspended workloads",
      { action: { resume: {} }, filter: { minRunningSeconds: 60 } },
      "filter.minRunningSeconds has no effect with resume",
    ],
    ["an unknown engine", { action: { checkpoint: { engine: "podman" } } }, 'Unsupported value: "podman"'],
    [
      "a spacing that exceeds the interval",
      { minSpacingSeconds: 901 },
      "minSpacingSeconds must not exceed intervalSeconds, or checkpoints would be skipped",
    ],
    ["a limit of zero", { maxInFlight: 0 }, "should be greater than or equal to 1"],
    [
      "a running time of pending pods",
      { filter: { minRunningSeconds: 60, phases: ["Pending"] } },
      "filter.minRunningSeconds selects no pod in the phase Pending",
    ],
    ["a phase of ended pods", { filter: { phases: ["Succeeded"] } }, 'Unsupported value: "Succeeded"'],
    [
      "restarts that select nothing",
      { filter: { restarts: { min: 2, max: 1 } } },
      "selects nothing: restarts.min exceeds restarts.max",
    ],
    [
      "names of no owner",
      { filter: { owners: [{ kind: "None", names: ["a"] }] } },
      "names have no effect with the kind None",
    ],
    ["an unknown owner", { filter: { owners: [{ kind: "Pod" }] } }, 'Unsupported value: "Pod"'],
    [
      "a requirement without values",
      pods({ matchExpressions: [{ key: "app", operator: "In" }] }),
      "values are required with the operators In and NotIn",
    ],
    [
      "values of a requirement that has none",
      pods({ matchExpressions: [{ key: "app", operator: "Exists", values: ["a"] }] }),
      "not allowed with Exists and DoesNotExist",
    ],
    [
      "a label that no pod can have",
      pods({ matchLabels: { "-app": "a" } }),
      "matchLabels has a key that no label can have",
    ],
    [
      "a selector that contradicts itself",
      pods({
        matchLabels: { app: "a" },
        matchExpressions: [{ key: "app", operator: "NotIn", values: ["a"] }],
      }),
      "selects nothing: matchExpressions contradict matchLabels",
    ],
  ])("rejects %s", async (_, spec, text) => {
    const answer = await message(spec);
    expect(answer).toMatch(/^422 /);
    expect(answer).toContain(text);
  });

  test("rejects a name that is no value of a label", async () => {
    expect(await message({}, "a".repeat(64))).toContain("metadata.name is longer than 63 characters");
    expect(await message({}, "a".repeat(63))).toMatch(/^201 /);
  });

  test("a cluster policy names its namespaces, and may select all", async () => {
    const missing = "set namespaces or namespaceSelector; namespaceSelector: {} selects all namespaces";
    expect(await clusterMessage({ phases: ["Running"] })).toContain(missing);
    expect(await clusterMessage(undefined)).toContain("spec.filter: Required value");
    expect(await clusterMessage({ namespaceSelector: {} })).toMatch(/^201 /);
    expect(await clusterMessage({ namespaces: ["team-a"] })).toMatch(/^201 /);
  });

  test("sets the defaults", async () => {
    await apply(api, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name: "defaults", namespace: "default" },
      spec: { trigger: interval, action: { checkpoint: {} } },
    });
    const { body } = await api.request<KubernetesObject & { spec: object }>("GET", `${COLLECTION}/defaults`);
    expect(body.spec).toEqual({
      suspend: false,
      trigger: interval,
      action: { checkpoint: { leaveRunning: true } },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
    });
  });
});
