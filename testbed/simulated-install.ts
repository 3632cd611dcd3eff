import type { FakeApi } from "./fake-api";
import type { ControllerSettings } from "../config/programs/controller";

export const NODES = "/api/v1/nodes";
const SYSTEM = "cedana-system";
const AGENTS = ["helper", "health-check"] as const;
const TAINT = { key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" } as const;
const LABELS = { "app.kubernetes.io/name": "cedana" };
const TIME = "2026-01-01T00:00:00Z";
const DIGEST = "0123456789abcdef".repeat(4);

/** Returns settings with the readiness gate, checkpoints by the engine criu, and restore with cert-manager. */
export function settings(): ControllerSettings {
  return {
    namespace: SYSTEM,
    leaseName: "cedana-controller",
    log: { level: "warn" },
    gate: {
      owner: "controller",
      taint: TAINT,
      nodeSelector: { "cedana.ai/enabled": "true" },
      agents: AGENTS.map((name) => ({ name, namespace: SYSTEM, daemonSet: `cedana-${name}` })),
      podSelector: LABELS,
      hashAnnotation: "checksum/config",
      retaint: false,
      explainAfterSeconds: 86_400,
      dryRun: false,
    },
    checkpoints: {
      namespaces: "all",
      maxPerNode: 2,
      waitSeconds: 3600,
      locations: [],
      engine: "criu",
      agent: {
        namespace: SYSTEM,
        repository: "registry.example.com/checkpoints",
        timeoutSeconds: 300,
        responseSeconds: 60,
      },
      tcp: "close",
      preDump: "off",
      freezeSeconds: 60,
      runtimeClasses: { amd64: "cedana-criu-amd64" },
      restore: { restart: "fresh", lazy: false, timeoutSeconds: 300 },
    },
    restore: {
      namespaces: "all",
      nodeSelector: { "cedana.ai/enabled": "true" },
      port: 0,
      configuration: "cedana-restore",
      secret: "cedana-restore",
      dnsNames: ["cedana-restore.cedana-system.svc"],
      certificates: "cert-manager",
    },
  };
}

export const nodeName = (index: number) => `ip-10-0-${index >> 8}-${index & 255}.ec2.internal`;

/** Puts a node with its agents' pods, which are not Ready: about as large as on EKS. */
export function putNode(api: FakeApi, index: number): void {
  const name = nodeName(index);
  const images = Array.from({ length: 40 }, (_, image) => ({
    names: [
      `602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/image-${image}@sha256:${DIGEST}`,
      `602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/image-${image}:v1.${image}.0`,
    ],
    sizeBytes: 100_000_000 + image,
  }));
  api.put(NODES, {
    metadata: {
      name,
      creationTimestamp: TIME,
      labels: { "cedana.ai/enabled": "true", ...many("label.example.com/key", 20) },
      annotations: many("annotation.example.com/key", 8),
      managedFields: managed(6),
    },
    spec: { podCIDR: "10.0.0.0/24", providerID: `aws:///us-west-2a/i-${index}`, taints: [TAINT] },
    status: {
      capacity: many("resource.example.com/key", 10),
      conditions: ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map((type) => ({
        type,
        status: type === "Ready" ? "True" : "False",
        lastHeartbeatTime: TIME,
        lastTransitionTime: TIME,
        reason: "KubeletHasSufficientMemory",
        message: "kubelet has sufficient memory available",
      })),
      images,
      nodeInfo: many("info", 10),
    },
  } as never);
  for (const agent of AGENTS) putAgent(api, agent, name, false);
}

/** Puts the pod of an agent on a node. */
export function putAgent(api: FakeApi, agent: string, node: string, ready: boolean): void {
  const owner = api.get(`/apis/apps/v1/namespaces/${SYSTEM}/daemonsets/cedana-${agent}`);
  const container = (index: number) => ({
    name: `container-${index}`,
    image: `registry.example.com/agent-${index}@sha256:${DIGEST}`,
    env: Array.from({ length: 12 }, (_, variable) => ({ name: `VARIABLE_${variable}`, value: "some value" })),
    volumeMounts: Array.from({ length: 8 }, (_, mount) => ({
      name: `v${mount}`,
      mountPath: `/mnt/${mount}`,
    })),
  });
  api.put(`/api/v1/namespaces/${SYSTEM}/pods`, {
    metadata: {
      name: `cedana-${agent}-${node}`,
      namespace: SYSTEM,
      creationTimestamp: TIME,
      labels: LABELS,
      annotations: { "checksum/config": DIGEST, ...many("annotation", 4) },
      ownerReferences: [{ uid: owner?.metadata.uid, controller: true }],
      managedFields: managed(4),
    },
    spec: { nodeName: node, containers: [container(0), container(1)] },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: TIME }],
      containerStatuses: [0, 1].map((index) => ({ name: `container-${index}`, ready, restartCount: 0 })),
    },
  } as never);
}

/** Makes the agents of a node Ready. */
export function makeReady(api: FakeApi, index: number): void {
  for (const agent of AGENTS) putAgent(api, agent, nodeName(index), true);
}

/** Puts the other objects: DaemonSets, pods of workloads, finished Checkpoints. */
export function putOthers(api: FakeApi, pods: number, checkpoints: number): void {
  for (const agent of AGENTS)
    api.put(`/apis/apps/v1/namespaces/${SYSTEM}/daemonsets`, {
      metadata: { name: `cedana-${agent}`, namespace: SYSTEM, labels: LABELS },
      spec: { template: { metadata: { annotations: { "checksum/config": DIGEST } } } },
    } as never);
  for (let index = 0; index < pods; index++)
    api.put("/api/v1/namespaces/shop/pods", {
      metadata: { name: `web-${index}`, namespace: "shop", labels: { app: "web" } },
      spec: { nodeName: nodeName(index % 1000) },
    } as never);
  for (let index = 0; index < checkpoints; index++)
    api.put("/apis/automation.cedana.ai/v1alpha1/namespaces/shop/checkpoints", checkpointOf(index));
}

/** Returns a finished Checkpoint with its record, as large as the API server stores it: about 4 KiB of JSON. */
export function checkpointOf(index: number) {
  const seconds = (offset: number) => new Date(Date.parse(TIME) + (index + offset) * 1000).toISOString();
  const uid = (of: string) => `${of}-${String(index).padStart(8, "0")}-4c1e-8f0a-0123456789ab`;
  const result = {
    engine: "criu",
    podUID: uid("0001"),
    nodeName: nodeName(index % 1000),
    owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "00000000-uid-of-web" },
    podTemplateHash: "web-6c5d4b8f7",
    containers: [
      {
        name: "app",
        image: "registry.example.com/shop/web:v1.2.3",
        baseImage: `registry.example.com/shop/web@sha256:${DIGEST}`,
        checkpointID: `sha256:${String(index).padStart(64, "0")}`,
        location: `registry.example.com/checkpoints@sha256:${String(index).padStart(64, "0")}`,
        architecture: "amd64",
        sizeBytes: 17_829_376 + index,
        notRestored: [
          {
            code: "volume",
            message: "/data: its content is not in the checkpoint; mount a volume with the same files here",
          },
        ],
        startTime: seconds(1),
        completionTime: seconds(4),
      },
    ],
    startTime: seconds(1),
    completionTime: seconds(4),
    sizeBytes: 17_829_376 + index,
    frozenMilliseconds: 151,
    durationMilliseconds: 3000,
  };
  return {
    metadata: {
      name: `checkpoint-${index}`,
      namespace: "shop",
      uid: uid("0000"),
      resourceVersion: String(100_000 + index),
      creationTimestamp: seconds(0),
      generation: 1,
      managedFields: managed(2),
    },
    spec: { podRef: { name: `web-${index}` }, leaveRunning: true },
    record: { checkpointUID: uid("0000"), result },
    status: {
      observedGeneration: 1,
      conditions: ["Ready", "Progressing", "Failed"].map((type) => ({
        type,
        status: type === "Ready" ? "True" : "False",
        reason: "CheckpointCompleted",
        message: `the engine checkpointed 1 container of pod web-${index}`,
        lastTransitionTime: seconds(4),
        observedGeneration: 1,
      })),
      ...result,
    },
  };
}

function many(prefix: string, count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`${prefix}-${index}`, `value-${index}-of-some-length`]),
  );
}

function managed(count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    manager: `manager-${index}`,
    operation: "Update",
    apiVersion: "v1",
    time: TIME,
    fieldsType: "FieldsV1",
    fieldsV1: { "f:metadata": { "f:annotations": many("f:key", 10) } },
  }));
}
