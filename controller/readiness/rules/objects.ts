import { metadataOf, type Json, type Kind, type ObjectMetadata } from "../../../kube/client";
import type { GateSettings } from "../../../config/programs/controller";
import { CHECKS_CONDITION, parseChecks, type CheckProblem } from "../../../config/programs/agent";
import { placementOf, type Placement, type RawPlacement, type Taint } from "./placement";
import { ungatedFailures, unreadyReason, type RawPodStatus } from "./unready-reason";

/** Type of the Node condition that reports whether the agents are Ready. */
export const CONDITION_TYPE = "CedanaReady";

/** Karpenter sets this label to "true" once all startup taints of a node are removed, and never checks them again. */
export const KARPENTER_INITIALIZED = "karpenter.sh/initialized";

/** Taint of a node whose labels Karpenter has not set yet. */
const KARPENTER_UNREGISTERED = "karpenter.sh/unregistered";

/** Our condition on a node. */
export interface NodeCondition {
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

/** The fields of a Node in use. */
export interface GateNode {
  readonly metadata: ObjectMetadata;
  readonly createdMs: number;
  readonly deleting: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** All of them, as observed: a write tests the list that it replaces. */
  readonly taints: readonly Taint[];
  readonly condition?: NodeCondition;
}

/** The fields of an agent's pod in use. */
export interface AgentPod {
  readonly metadata: ObjectMetadata;
  /** The node that it runs on, or that it was created for. */
  readonly nodeName: string;
  readonly createdMs: number;
  /** UID of the controller that owns it. */
  readonly ownerUid?: string;
  /** Value of the annotation that changes with the configuration. */
  readonly hash?: string;
  readonly ready: boolean;
  /** Since when it is Ready, or not, by its kubelet's clock. */
  readonly readySinceMs: number;
  readonly deleting: boolean;
  /** Why it is not Ready, for messages. */
  readonly unreadyReason?: string;
  /** Failed checks of a health check that do not gate the node, for messages. */
  readonly failures?: string;
  /** The checks of a health check that are not ok. Missing if it has not reported, and for other agents. */
  readonly checks?: readonly CheckProblem[];
}

/** The fields of an agent's DaemonSet in use. */
export interface AgentDaemonSet {
  readonly metadata: ObjectMetadata;
  /** The annotation of its pod template. */
  readonly hash?: string;
  readonly placement: Placement;
  readonly deleting: boolean;
}

type Ours = GateSettings["taint"];

/** Checks whether a taint is ours: by key and effect, as Kubernetes distinguishes taints. Its value may be any. */
export function isOurs(taint: Taint, ours: Ours): boolean {
  return taint.key === ours.key && taint.effect === ours.effect;
}

export function hasOurs({ taints }: Pick<GateNode, "taints">, ours: Ours): boolean {
  return taints.some((taint) => isOurs(taint, ours));
}

/** Checks whether Karpenter has not set the node's labels yet. */
export function isUnregistered({ taints }: Pick<GateNode, "taints">): boolean {
  return taints.some(({ key }) => key === KARPENTER_UNREGISTERED);
}

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

interface RawPod {
  readonly metadata: RawMetadata;
  readonly spec?: Pick<RawPlacement, "affinity"> & { readonly nodeName?: string };
  readonly status?: RawPodStatus;
}

interface RawDaemonSet {
  readonly metadata: RawMetadata;
  readonly spec?: {
    readonly template?: {
      readonly metadata?: Pick<RawMetadata, "annotations">;
      readonly spec?: RawPlacement;
    };
  };
}

type Projection = Pick<GateSettings, "hashAnnotation">;

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
    nodes: { apiVersion: "v1", kind: "Node", plural: "nodes", project: projectNode },
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
export function projectNode(raw: Json): GateNode {
  const { metadata, spec, status } = raw as unknown as RawNode;
  const condition = status?.conditions?.find(({ type }) => type === CONDITION_TYPE);
  return {
    metadata: metadataOf(raw),
    createdMs: timeOf(metadata.creationTimestamp),
    deleting: metadata.deletionTimestamp !== undefined,
    labels: metadata.labels ?? {},
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

/** Projects a Pod to the fields in use. */
export function projectPod(raw: Json, settings: Projection): AgentPod {
  const { metadata, spec, status } = raw as unknown as RawPod;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  const isReady = ready?.status === "True";
  const reason = isReady ? undefined : unreadyReason(status);
  const failures = ungatedFailures(status);
  const checks = status?.conditions?.find(({ type }) => type === CHECKS_CONDITION);
  return {
    metadata: metadataOf(raw),
    nodeName: spec?.nodeName ?? intendedNode(spec) ?? "",
    createdMs: timeOf(metadata.creationTimestamp),
    ...(owner && { ownerUid: owner.uid }),
    ...hashOf(metadata.annotations, settings),
    ready: isReady,
    readySinceMs: timeOf(ready?.lastTransitionTime),
    deleting: metadata.deletionTimestamp !== undefined,
    ...(reason !== undefined && { unreadyReason: reason }),
    ...(failures !== undefined && { failures }),
    ...(checks && { checks: parseChecks(checks.message ?? "") }),
  };
}

/** Projects a DaemonSet to the fields in use. */
export function projectDaemonSet(raw: Json, settings: Projection): AgentDaemonSet {
  const { metadata, spec } = raw as unknown as RawDaemonSet;
  return {
    metadata: metadataOf(raw),
    ...hashOf(spec?.template?.metadata?.annotations, settings),
    placement: placementOf(spec?.template?.spec),
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** Returns the node of a DaemonSet's pod that is not scheduled yet, from its node affinity. */
function intendedNode(spec: RawPod["spec"]): string | undefined {
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
