import { ARCHITECTURE_LABEL, LATEST, RECORD, REQUEST, type ContainerCheckpoint } from "../../../api";
import { repositoriesOf } from "../../../config/programs";
import { itemsAt, textAt, type Json } from "../../../kube";
import type { CheckpointObject } from "../../checkpoints/objects";
import { isArtifactIn, type PlanRestore } from "../../engines";
import { phaseOf, readyOf } from "../../checkpoints/state";
import type { SkipCause } from "../reasons";
import type { AdmittedPod, RestoreRequest } from "./pod";

/** The state of the cluster that a decision uses. */
export interface ClusterState {
  /** UIDs of the source pods of Checkpoints that are still running. */
  readonly running: ReadonlySet<string>;
  /** Labels of the nodes on which containers can be restored. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** How checkpoints are restored, by the name of their engine. Other engines' checkpoints are not. */
  readonly methods: RestoreMethods;
}

export type RestoreMethods = ReadonlyMap<string, PlanRestore>;

/** A container that is restored from a checkpoint. */
interface RestoredContainer {
  readonly name: string;
  /** Image of the checkpoint, by digest. */
  readonly image: string;
}

/** What a restore needs in the spec of a pod, or what it has added there. */
export interface Placement {
  readonly runtimeClass?: string;
  /** Labels of the nodes that can restore. */
  readonly nodeSelector: Readonly<Record<string, string>>;
}

export type Fit =
  | {
      readonly fits: true;
      /** Names of the restored containers. */
      readonly containers: readonly string[];
      /** The RuntimeClass whose handler restores the containers, and the labels of its nodes. */
      readonly placement: Placement & { readonly runtimeClass: string };
      readonly warnings: readonly string[];
    }
  | { readonly fits: false; readonly reason: string; readonly cause: SkipCause }
  /** The Checkpoint is claimed for a pod that may not have been created. */
  | { readonly fits: "busy"; readonly reason: string; readonly cause: "InUse" };

/** Checks whether this pod can be restored from this Checkpoint. */
export function fit(
  pod: AdmittedPod,
  request: RestoreRequest,
  checkpoint: CheckpointObject,
  { running, nodeSelector: nodes, methods }: ClusterState,
): Fit {
  const { metadata, spec, status } = checkpoint;
  if (metadata.deletionTimestamp !== undefined) return no("it is being deleted", "NotCompleted");
  const phase = phaseOf(status);
  // A Checkpoint that is named is tried again: its artifact may be back.
  if (phase !== "completed" && !(phase === "missing" && request.from !== LATEST)) {
    const { reason = "Pending", message = "not reconciled yet" } = readyOf(status) ?? {};
    return no(`it is not completed: ${reason}, ${message}`, "NotCompleted");
  }
  const method = methods.get(status.engine ?? "");
  if (method === undefined) {
    const known = methods.size === 0 ? "none" : [...methods.keys()].join(", ");
    return no(`its engine is ${status.engine}; engines whose checkpoints can be restored: ${known}`);
  }
  const blocked = blockedByClaim(pod, request, checkpoint);
  if (blocked) return blocked;
  const warnings: string[] = [];
  if (status.podUID !== undefined && running.has(status.podUID)) {
    const source = `its source pod ${spec.podRef.name} is still running`;
    if (request.from === LATEST) return no(source, "SourceRunning");
    warnings.push(`${source}: both resume from the same state`);
  }
  const containers: RestoredContainer[] = [];
  const allowed = repositoriesOf(method, metadata.namespace);
  const saved = (status.containers ?? []).filter(({ completionTime }) => completionTime !== undefined);
  for (const one of saved) {
    const found = matchContainer(pod, one, allowed);
    if (typeof found === "string") return no(found);
    containers.push(found);
    warnings.push(...notRestoredIn(pod, one));
  }
  if (containers.length === 0) return no("it has no completed container");
  for (const { name } of pod.containers)
    if (!containers.some((one) => one.name === name))
      warnings.push(`container ${name} has no checkpoint and starts fresh`);
  const architecture = architectureOf(saved);
  if (typeof architecture === "string") return no(architecture);
  const fitting = runtimeClassFor(pod, containers, architecture, method);
  if (typeof fitting === "string") return no(fitting);
  const { runtimeClass } = fitting;
  // The RuntimeClass's scheduling has the same labels. The API server rejects a pod with other values, hence the check. It
  // adds them only after the first of two calls, hence they are in the placement as well.
  const nodeSelector = { ...nodes, [ARCHITECTURE_LABEL]: fitting.architecture };
  const conflict = conflictWith(pod, nodeSelector);
  if (conflict !== undefined) return no(conflict);
  const placement = { runtimeClass, nodeSelector };
  return { fits: true, containers: containers.map(({ name }) => name), placement, warnings };
}

/** Returns the RuntimeClass that restores the pod and the architecture of its nodes, or a message if there is none. */
function runtimeClassFor(
  pod: AdmittedPod,
  containers: readonly RestoredContainer[],
  { architecture }: Architecture,
  { runtimeClasses }: PlanRestore,
): { readonly architecture: string; readonly runtimeClass: string } | string {
  const other = containers.find(({ image }) => image !== containers[0]?.image);
  if (other !== undefined) return `container ${other.name} is in another image than ${containers[0]?.name}`;
  const known = Object.entries(runtimeClasses).flatMap(([key, name]) =>
    name === undefined ? [] : [[key, name] as const],
  );
  const fitting = known.filter(([key]) => architecture === undefined || key === architecture);
  const [found, ambiguous] = fitting;
  if (found === undefined) return `no RuntimeClass for architecture ${architecture} is configured`;
  if (ambiguous !== undefined)
    return `its architecture is unknown, and there are RuntimeClasses for ${fitting.map(([key]) => key).join(", ")}`;
  const [only, runtimeClass] = found;
  if (pod.runtimeClass !== undefined && pod.runtimeClass !== runtimeClass)
    return `the pod has RuntimeClass ${pod.runtimeClass}; it is restored by RuntimeClass ${runtimeClass}`;
  return { architecture: only, runtimeClass };
}

function blockedByClaim(
  pod: AdmittedPod,
  { shared }: RestoreRequest,
  { status: { restore } }: CheckpointObject,
): Fit | undefined {
  if (restore === undefined || restore.state === "PodMissing") return undefined;
  const { state, podName, message } = restore;
  if (state === "Failed")
    return no(`its restore failed (${message ?? "unknown reason"}) and is not retried`, "FailedBefore");
  if (shared) return undefined;
  const by = podName === undefined ? "another pod" : `pod ${podName}`;
  const hint = `; set ${REQUEST.shared}: "true" to share it`;
  if (state === "Restored") return no(`${by} was restored from it${hint}`, "InUse");
  if (state === "Unknown") return no(`${by} may have been restored from it${hint}`, "InUse");
  // Pod names are unique: the pod with the claim was deleted, or was never stored.
  if (pod.name !== undefined && pod.name === podName) return undefined;
  // The API server calls the webhook again for the same admission.
  if (restore.podUID === undefined && restore.claim === pod.annotations[RECORD.claim]) return undefined;
  if (restore.podUID !== undefined) return no(`${by} is being restored from it${hint}`, "InUse");
  return { fits: "busy", reason: `it is claimed for ${by}, which is being created`, cause: "InUse" };
}

function matchContainer(
  pod: AdmittedPod,
  saved: ContainerCheckpoint,
  repositories: readonly string[],
): RestoredContainer | string {
  const { name, image, baseImage, location } = saved;
  const own = pod.containers.find((one) => one.name === name);
  if (own === undefined) return `the pod has no container ${name}`;
  // Of an image by tag the digest is unknown here.
  const digest = digestIn(own.image);
  const hasDigest = digest !== undefined && digest === digestIn(baseImage);
  if (own.image !== image && !hasDigest)
    return `container ${name} has image ${own.image}; it was checkpointed with ${image ?? "an unknown image"}`;
  if (!isArtifactIn(repositories, location))
    return `the checkpoint of container ${name} is ${location ?? "unknown"}; allowed: ${repositories.map((one) => `${one}@sha256:<digest>`).join(" or ")}`;
  return { name, image: location };
}

function digestIn(image: string | undefined): string | undefined {
  return image?.split("@")[1];
}

const no = (reason: string, cause: SkipCause = "DoesNotFit"): Fit => ({ fits: false, reason, cause });

/** Returns why the pod cannot run on nodes with these labels; undefined if it can. */
function conflictWith(pod: AdmittedPod, wanted: Readonly<Record<string, string>>): string | undefined {
  for (const [label, value] of Object.entries(wanted)) {
    const own = pod.nodeSelector[label];
    if (own !== undefined && own !== value)
      return `it requires nodes with ${label}=${value}, but the pod's nodeSelector has ${label}=${own}`;
    if (pod.nodeTerms.length > 0 && pod.nodeTerms.every((term) => excludes(term, label, value)))
      return `it requires nodes with ${label}=${value}, which the pod's node affinity excludes`;
  }
  return undefined;
}

interface Architecture {
  readonly architecture?: string;
}

/** Returns the checkpoints' architecture: none if it is unknown, a message if they differ. */
function architectureOf(
  containers: readonly { readonly name: string; readonly architecture?: string }[],
): Architecture | string {
  const known = containers.filter(({ architecture }) => architecture !== undefined);
  const [first] = known;
  if (first?.architecture === undefined) return {};
  const other = known.find(({ architecture }) => architecture !== first.architecture);
  if (other !== undefined)
    return `its containers have architectures ${first.architecture} (${first.name}) and ${other.architecture} (${other.name})`;
  return { architecture: first.architecture };
}

/** Checks whether the term matches no node with this label. */
function excludes(term: Json, label: string, value: string): boolean {
  return itemsAt(term, "matchExpressions").some((expression) => {
    if (textAt(expression, "key") !== label) return false;
    const has = itemsAt(expression, "values").includes(value);
    switch (textAt(expression, "operator")) {
      case "In":
        return !has;
      case "NotIn":
        return has;
      case "DoesNotExist":
        return true;
      default:
        return false;
    }
  });
}

/** The API server truncates warnings to 256 characters, and drops those beyond 4096 in total. */
const MAX_WARNING = 250;
const MAX_TOTAL = 4096;

/** Returns what is not restored in a container, except volumes that the new pod mounts. */
function notRestoredIn(pod: AdmittedPod, { name, notRestored = [] }: ContainerCheckpoint): string[] {
  const { mounts = [] } = pod.containers.find((one) => one.name === name) ?? {};
  return (
    notRestored
      // The message starts with the mount path.
      .filter(({ code, message }) => code !== "volume" || !mounts.includes(message.split(":", 1)[0] ?? ""))
      .map(({ message }) => `container ${name}: ${message}`)
  );
}

/** Limits warnings to what the API server returns. The last one counts the omitted ones. */
export function boundedWarnings(notes: readonly string[], name: string): string[] {
  const cut = notes.map((note) => (note.length > MAX_WARNING ? `${note.slice(0, MAX_WARNING - 1)}…` : note));
  const kept: string[] = [];
  let bytes = MAX_WARNING;
  for (const note of cut) {
    bytes += Buffer.byteLength(note);
    if (bytes > MAX_TOTAL) break;
    kept.push(note);
  }
  const left = cut.length - kept.length;
  return left === 0 ? kept : [...kept, `and ${left} more: see status.containers of Checkpoint ${name}`];
}
