import type { ContainerCheckpoint } from "../../../api";
import { LATEST, RECORD, REQUEST } from "../../../api";
import type { CheckpointObject } from "../../checkpoints/objects";
import { phaseOf, readyOf } from "../../checkpoints/state";
import { architectureLabel, nodeLabels } from "./nodes";
import type { AdmittedPod } from "./pod";
import type { RestoreRequest } from "./request";
import { notesOf } from "./warnings";

/** What is known besides the pod and the Checkpoints. */
export interface Surroundings {
  /** UIDs of pods that run, of those that Checkpoints are of. */
  readonly running: ReadonlySet<string>;
  /** Labels of the nodes on which containers can be restored. */
  readonly nodeSelector: Readonly<Record<string, string>>;
}

/** One container that is to go on from a checkpoint. */
export interface RestoredContainer {
  readonly name: string;
  /** Place in `spec.containers`. */
  readonly index: number;
  readonly original: string;
  /** The checkpoint, by digest. */
  readonly image: string;
}

export type Fit =
  | {
      readonly fits: true;
      readonly containers: readonly RestoredContainer[];
      /** To be added to the pod's nodeSelector. */
      readonly nodeSelector: Readonly<Record<string, string>>;
      readonly warnings: readonly string[];
    }
  | { readonly fits: false; readonly why: string }
  /** Claimed by the admission of a pod that is not there yet, and may never be. */
  | { readonly fits: "busy"; readonly why: string };

/** Engine whose checkpoints are images. */
const ENGINE = "kubelet";

/** Whether this pod may go on from this Checkpoint. */
export function fit(
  pod: AdmittedPod,
  request: RestoreRequest,
  checkpoint: CheckpointObject,
  { running, nodeSelector: nodes }: Surroundings,
): Fit {
  const { metadata, spec, status } = checkpoint;
  if (metadata.deletionTimestamp !== undefined) return no("it is being deleted");
  if (phaseOf(status) !== "completed") {
    const { reason = "Pending", message = "nobody has looked at it yet" } = readyOf(status) ?? {};
    return no(`it is not completed: ${reason}, ${message}`);
  }
  if (status.engine !== ENGINE)
    return no(`engine ${status.engine} took it; only checkpoints of engine ${ENGINE} are restored like this`);
  const held = claimed(pod, request, checkpoint);
  if (held) return held;
  const warnings: string[] = [];
  if (status.podUID !== undefined && running.has(status.podUID)) {
    const source = `pod ${spec.podRef.name}, of which it is, runs still`;
    if (request.from === LATEST) return no(source);
    warnings.push(`${source}: both go on from the same state`);
  }
  const containers: RestoredContainer[] = [];
  const saved = (status.containers ?? []).filter(({ completionTime }) => completionTime !== undefined);
  for (const one of saved) {
    const found = matched(pod, one);
    if (typeof found === "string") return no(found);
    containers.push(found);
    warnings.push(...notesOf(pod, pod.containers[found.index] ?? { ...one, image: "", mounts: [] }, one));
  }
  if (containers.length === 0) return no("it has no container");
  for (const { name } of pod.containers)
    if (!containers.some((one) => one.name === name))
      warnings.push(`container ${name} has no checkpoint and starts fresh`);
  const architecture = architectureLabel(saved);
  if (typeof architecture === "string") return no(architecture);
  const nodeSelector = nodeLabels(pod, { ...nodes, ...architecture });
  if (typeof nodeSelector === "string") return no(nodeSelector);
  return { fits: true, containers, nodeSelector, warnings };
}

function claimed(
  pod: AdmittedPod,
  { shared }: RestoreRequest,
  { status: { restore } }: CheckpointObject,
): Fit | undefined {
  if (restore === undefined) return undefined;
  const { state, podName, message } = restore;
  if (state === "Failed")
    return no(`it could not be restored (${message ?? "no reason was kept"}); it is not tried again`);
  if (shared) return undefined;
  const by = podName === undefined ? "another pod" : `pod ${podName}`;
  const ask = `; ${REQUEST.shared}: "true" lets several pods`;
  if (state === "Restored") return no(`${by} was restored from it${ask}`);
  if (state === "Unknown") return no(`${by} may have been restored from it${ask}`);
  // No two pods of one name live at once: the one that has the claim is gone, or was never stored.
  if (pod.name !== undefined && pod.name === podName) return undefined;
  // The same admission, asked a second time.
  if (restore.podUID === undefined && restore.claim === pod.annotations[RECORD.claim]) return undefined;
  if (restore.podUID !== undefined) return no(`${by} is being restored from it${ask}`);
  return { fits: "busy", why: `${by}, whose creation is under way, is to be restored from it` };
}

function matched(pod: AdmittedPod, saved: ContainerCheckpoint): RestoredContainer | string {
  const { name, image, location } = saved;
  const index = pod.containers.findIndex((one) => one.name === name);
  const own = pod.containers[index];
  if (own === undefined) return `the pod has no container ${name}`;
  // Its image is that of the checkpoint if the API server asks a second time, because another webhook changed the pod.
  if (own.image !== image && own.image !== location)
    return `container ${name} has image ${own.image}; it was checkpointed with ${image ?? "an unknown one"}`;
  if (location === undefined || !location.includes("@sha256:"))
    return `where the image of container ${name} is was not kept`;
  return { name, index, original: image ?? own.image, image: location };
}

const no = (why: string): Fit => ({ fits: false, why });
