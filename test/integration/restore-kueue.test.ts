/**
 * Restores under the real Kueue: of a Job that is preempted and admitted again, and of a pod in a queue; each falls back. Two
 * controllers serve the webhook. No node runs the pods: the test reports as the agent.
 */
import { eventually, type KubernetesObject } from "../../testbed/cluster/apiserver";
import {
  CLASSES,
  isPlanned,
  PODS,
  pod,
  RestoreInstall,
  TEAM,
  template,
  UNSCHEDULABLE,
  type Pod,
} from "./support/restore-install";

const MISSING =
  "CEDANA_INTEGRATION_KUEUE_KUBECONFIG is not set: it must name the kubeconfig of a disposable cluster with Kueue 0.16 or later, which manages Jobs and pods; or set CEDANA_INTEGRATION_ALLOW_MISSING=1 to skip these tests.";
const config = process.env["CEDANA_INTEGRATION_KUEUE_KUBECONFIG"];
if (config === undefined && process.env["CEDANA_INTEGRATION_ALLOW_MISSING"] !== "1") throw new Error(MISSING);

const KUEUE = "/apis/kueue.x-k8s.io/v1beta2";
const QUEUE = "again-queue";
const JOBS = `/apis/batch/v1/namespaces/${TEAM}/jobs`;
const WORKLOADS = `${KUEUE}/namespaces/${TEAM}/workloads`;
const kueue = { apiVersion: "kueue.x-k8s.io/v1beta2" };

interface Workload extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & {
    readonly uid: string;
    readonly ownerReferences?: readonly { readonly name: string }[];
  };
  readonly status?: {
    readonly admission?: { readonly podSetAssignments: readonly { resourceUsage: object }[] };
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Objects of Kueue: one CPU, and priorities. */
const objects: readonly [
  string,
  {
    readonly metadata: { readonly name: string; readonly namespace?: string };
    readonly [field: string]: unknown;
  },
][] = [
  [`${KUEUE}/resourceflavors`, { ...kueue, kind: "ResourceFlavor", metadata: { name: QUEUE } }],
  [
    `${KUEUE}/clusterqueues`,
    {
      ...kueue,
      kind: "ClusterQueue",
      metadata: { name: QUEUE },
      spec: {
        namespaceSelector: {},
        preemption: { withinClusterQueue: "LowerPriority" },
        resourceGroups: [
          {
            coveredResources: ["cpu"],
            flavors: [{ name: QUEUE, resources: [{ name: "cpu", nominalQuota: 1 }] }],
          },
        ],
      },
    },
  ],
  [
    `${KUEUE}/namespaces/${TEAM}/localqueues`,
    {
      ...kueue,
      kind: "LocalQueue",
      metadata: { name: QUEUE, namespace: TEAM },
      spec: { clusterQueue: QUEUE },
    },
  ],
  ...(["low", "high"] as const).map((name, value): (typeof objects)[number] => [
    `${KUEUE}/workloadpriorityclasses`,
    {
      ...kueue,
      kind: "WorkloadPriorityClass",
      metadata: { name: `again-${name}` },
      value: value + 1,
    },
  ]),
];

const requests = { ...UNSCHEDULABLE.containers[0], resources: { requests: { cpu: "1" } } };
const job = (name: string, priority: string, annotations: object) => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: {
    name,
    namespace: TEAM,
    labels: { "kueue.x-k8s.io/queue-name": QUEUE, "kueue.x-k8s.io/priority-class": `again-${priority}` },
  },
  spec: {
    suspend: true,
    template: {
      metadata: { labels: { app: name }, annotations },
      spec: { ...UNSCHEDULABLE, containers: [requests], restartPolicy: "Never" },
    },
  },
});

(config === undefined ? describe.skip : describe)("Restores under Kueue", () => {
  const install = new RestoreInstall(config ?? "");
  const send: RestoreInstall["send"] = (...given) => install.send(...given);

  beforeAll(async () => {
    await install.start();
    for (const [path, object] of objects) await send("POST", path, object);
  }, 180_000);
  afterAll(async () => {
    await install.api.request("DELETE", `${JOBS}?propagationPolicy=Background`);
    await install.stop();
    for (const [path, { metadata }] of objects.toReversed())
      await install.api.request("DELETE", `${path}/${metadata.name}`);
  }, 60_000);

  const workloadOf = async (owner: string): Promise<Workload | undefined> =>
    (await send<{ items: Workload[] }>("GET", WORKLOADS)).items.find(({ metadata }) =>
      metadata.ownerReferences?.some(({ name }) => name === owner),
    );
  const isAdmitted = async (owner: string) =>
    (await workloadOf(owner))?.status?.conditions?.some(
      ({ type, status }) => type === "Admitted" && status === "True",
    ) === true;
  const onlyPod = async (app: string) => {
    await eventually(60, `${app} has a pod`, async () => (await install.podsOf(`app=${app}`)).length === 1);
    const [found] = await install.podsOf(`app=${app}`);
    if (found === undefined) throw new Error(`${app} has no pod`);
    return found;
  };

  /** Lets the restore of a pod fail, as the agent of its node reports it. */
  const failRestore = async ({ metadata: { name, uid } }: Pod) => {
    await install.bind(name);
    await install.reportRestore(uid, "StartedFresh", "criu failed: type RESTORE errno 0");
    await eventually(20, "an event reports the fallback", async () =>
      (await install.events(name)).some((one) => /^RestoreFellBack: .*errno 0. It starts fresh$/.test(one)),
    );
  };

  test("a preempted Job is restored when it is admitted again; its fallback keeps pod, Workload and quota", async () => {
    const annotations = template({}).metadata.annotations;
    const { metadata } = await send<{ metadata: { uid: string } }>(
      "POST",
      JOBS,
      job("low", "low", annotations),
    );
    const first = await onlyPod("low");
    expect(isPlanned(first)).toBe(false);
    expect(first.metadata.annotations["cedana.ai/restore-skipped"]).toMatch(
      "no completed Checkpoint of Job low",
    );
    const before = await workloadOf("low");
    const owner = { apiVersion: "batch/v1", kind: "Job", name: "low", uid: metadata.uid };
    await install.checkpoint("low", {
      pod: first.metadata.name,
      podUID: first.metadata.uid,
      owner,
      hash: "",
    });

    await send("POST", JOBS, job("high", "high", {}));
    await eventually(60, "low is preempted", async () => (await install.podsOf("app=low")).length === 0);
    await eventually(60, "high is admitted", () => isAdmitted("high"));
    await send("DELETE", `${JOBS}/high?propagationPolicy=Background`);

    const restored = await onlyPod("low");
    expect(isPlanned(restored)).toBe(true);
    expect(restored.spec.runtimeClassName).toBe(CLASSES.amd64);
    // Kueue counts the Job's template, to which a restore adds no resources.
    const admitted = await workloadOf("low");
    expect(admitted?.metadata.uid).toBe(before?.metadata.uid);
    expect(admitted?.status?.admission?.podSetAssignments).toMatchObject([{ resourceUsage: { cpu: "1" } }]);
    expect(restored.spec).not.toHaveProperty("overhead");

    await failRestore(restored);
    const now = await send<Pod>("GET", `${PODS}/${restored.metadata.name}`);
    expect(now.metadata.uid).toBe(restored.metadata.uid);
    expect(isPlanned(now)).toBe(false);
    expect(now.metadata.annotations["cedana.ai/restore-failed"]).toMatch("errno 0");
    expect(await isAdmitted("low")).toBe(true);
    expect((await workloadOf("low"))?.metadata.uid).toBe(before?.metadata.uid);
    expect((await workloadOf("low"))?.status?.admission).toEqual(admitted?.status?.admission);
    await send("DELETE", `${JOBS}/low?propagationPolicy=Background`);
  }, 300_000);

  test("a pod in a queue that falls back is neither deleted nor queued again", async () => {
    await eventually(60, "the quota is free", async () => (await workloadOf("low")) === undefined);
    await install.checkpoint("bare", { pod: "x", owner: undefined, hash: "" });
    const given = pod(
      "bare",
      { "cedana.ai/restore-from": "bare" },
      { labels: { "kueue.x-k8s.io/queue-name": QUEUE } },
    );
    const spec = { ...UNSCHEDULABLE, containers: [requests] };
    const created = await send<Pod>("POST", PODS, { ...given, spec });
    expect(isPlanned(created)).toBe(true);
    await eventually(60, "it is admitted", () => isAdmitted("bare"));
    await eventually(60, "its gate is removed", async () => {
      const { spec } = await send<{ spec: { schedulingGates?: object[] } }>("GET", `${PODS}/bare`);
      return (spec.schedulingGates ?? []).length === 0;
    });
    const before = await workloadOf("bare");
    await failRestore(created);
    const now = await send<Pod>("GET", `${PODS}/bare`);
    expect(now.metadata.uid).toBe(created.metadata.uid);
    expect(now.metadata).not.toHaveProperty("deletionTimestamp");
    expect(isPlanned(now)).toBe(false);
    expect(await isAdmitted("bare")).toBe(true);
    const after = await workloadOf("bare");
    expect(after?.metadata.uid).toBe(before?.metadata.uid);
    expect(after?.status?.admission).toEqual(before?.status?.admission);
  }, 300_000);
});
