import { metadataOf, type Json, type Kind } from "../../../kube/client";
import type { AgentDaemonSet, AgentPod, GateNode, NodeCondition } from "./objects";
import { CONDITION_TYPE, KARPENTER_INITIALIZED, type GateSettings, type Taint } from "./settings";
import { troubleOf, type RawPodStatus } from "./trouble";

interface RawMetadata {
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly { readonly uid: string; readonly controller?: boolean }[];
}

interface RawNode {
  readonly metadata: RawMetadata;
  readonly spec?: { readonly taints?: readonly Taint[] };
  readonly status?: { readonly conditions?: readonly (NodeCondition & { readonly type: string })[] };
}

interface RawTerm {
  readonly matchFields?: readonly { readonly key: string; readonly values?: readonly string[] }[];
}

interface RawPod {
  readonly metadata: RawMetadata;
  readonly spec?: {
    readonly nodeName?: string;
    readonly affinity?: {
      readonly nodeAffinity?: {
        readonly requiredDuringSchedulingIgnoredDuringExecution?: {
          readonly nodeSelectorTerms?: readonly RawTerm[];
        };
      };
    };
  };
  readonly status?: RawPodStatus;
}

interface RawDaemonSet {
  readonly metadata: RawMetadata;
  readonly spec?: { readonly template?: { readonly metadata?: Pick<RawMetadata, "annotations"> } };
}

type Projection = Pick<GateSettings, "nodeSelector" | "hashAnnotation">;

const NO_TAINTS: readonly Taint[] = [];

/** The kinds that the gate reads. */
export interface GateKinds {
  readonly nodes: Kind<GateNode>;
  readonly pods: Kind<AgentPod>;
  readonly daemonSets: Kind<AgentDaemonSet>;
}

/** Returns the kinds with the fields that these settings need. */
export function gateKinds(settings: Projection): GateKinds {
  const project =
    <T>(read: (raw: Json, settings: Projection) => T) =>
    (raw: Json) =>
      read(raw, settings);
  return {
    nodes: { apiVersion: "v1", kind: "Node", plural: "nodes", project: project(projectNode) },
    pods: { apiVersion: "v1", kind: "Pod", plural: "pods", project: project(projectPod) },
    daemonSets: {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      plural: "daemonsets",
      project: project(projectDaemonSet),
    },
  };
}

/** Projects a Node to the fields in use. */
export function projectNode(raw: Json, settings: Projection): GateNode {
  const { metadata, spec, status } = raw as unknown as RawNode;
  const condition = status?.conditions?.find(({ type }) => type === CONDITION_TYPE);
  const labels = metadata.labels ?? {};
  const inUse = [...Object.keys(settings.nodeSelector), KARPENTER_INITIALIZED];
  return {
    metadata: metadataOf(raw),
    createdMs: timeOf(metadata.creationTimestamp),
    deleting: metadata.deletionTimestamp !== undefined,
    labels: Object.fromEntries(
      inUse.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])),
    ),
    taints: spec?.taints ?? NO_TAINTS,
    ...(condition && {
      condition: {
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
        lastTransitionTime: condition.lastTransitionTime,
      },
    }),
  };
}

/** The fields of a pod in use, from its JSON. */
export function projectPod(raw: Json, settings: Projection): AgentPod {
  const { metadata, spec, status } = raw as unknown as RawPod;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  const isReady = ready?.status === "True";
  const trouble = isReady ? undefined : troubleOf(status);
  return {
    metadata: metadataOf(raw),
    nodeName: spec?.nodeName ?? madeFor(spec) ?? "",
    createdMs: timeOf(metadata.creationTimestamp),
    ...(owner && { ownerUid: owner.uid }),
    ...hashOf(metadata.annotations, settings),
    ready: isReady,
    readySinceMs: timeOf(ready?.lastTransitionTime),
    deleting: metadata.deletionTimestamp !== undefined,
    ...(trouble !== undefined && { trouble }),
  };
}

/** Projects a DaemonSet to the fields in use. */
export function projectDaemonSet(raw: Json, settings: Projection): AgentDaemonSet {
  const { metadata, spec } = raw as unknown as RawDaemonSet;
  return {
    metadata: metadataOf(raw),
    ...hashOf(spec?.template?.metadata?.annotations, settings),
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** Returns the node that a DaemonSet's pod is for: it is in the affinity until the scheduler has bound the pod. */
function madeFor(spec: RawPod["spec"]): string | undefined {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return terms?.nodeSelectorTerms
    ?.flatMap(({ matchFields }) => matchFields ?? [])
    .find(({ key }) => key === "metadata.name")?.values?.[0];
}

function hashOf(annotations: RawMetadata["annotations"], { hashAnnotation }: Projection) {
  const hash = annotations?.[hashAnnotation];
  return hash === undefined ? {} : { hash };
}

function timeOf(text: string | undefined): number {
  return text === undefined ? 0 : Date.parse(text);
}
