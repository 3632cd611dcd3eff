import { SANDBOX } from "../../api";
import { itemsAt, textAt, textsAt, type Json, type Kind } from "../../kube";
import { containerStatusesOf } from "../checkpoints/objects";
import { RESTORED_POD, type RestoredPod } from "../restore/pods";
import { readSettings, requestsOf, type SandboxSettings } from "./sandbox";

/** A sandbox pod, with the fields in use. */
export interface SandboxObject extends RestoredPod {
  /** UID of the policy. */
  readonly policyUID: string;
  /** Undefined if the controller did not create the pod. */
  readonly settings?: SandboxSettings;
  /** In billionths, by resource. */
  readonly requests: Readonly<Record<string, bigint>>;
  /** Whether the kubelet says that all containers are ready. */
  readonly ready: boolean;
  /** Why the pod ended or has no node, such as Evicted. */
  readonly reason?: string;
  /** What the pod waits for. */
  readonly waiting?: string;
}

/** Pods with the label of sandbox pods. */
export const SANDBOX_POD: Kind<SandboxObject> = { ...RESTORED_POD, project: projectSandbox };

function projectSandbox(raw: Json): SandboxObject {
  const settings = readSettings(textsAt(raw, "metadata", "annotations")[SANDBOX.settings]);
  const conditions = itemsAt(raw, "status", "conditions");
  const is = (type: string) => conditions.find((one) => textAt(one, "type") === type);
  const reason = textAt(raw, "status", "reason");
  const waiting = waitingOf(raw, is("PodScheduled"));
  return {
    ...RESTORED_POD.project(raw),
    policyUID: textsAt(raw, "metadata", "labels")[SANDBOX.label] ?? "",
    requests: requestsOf(raw),
    ready: textAt(is("ContainersReady"), "status") === "True",
    ...(settings && { settings }),
    ...(reason === undefined || reason === "" ? {} : { reason }),
    ...(waiting === undefined ? {} : { waiting }),
  };
}

/** Returns what the scheduler or the kubelet waits for. */
function waitingOf(raw: Json, scheduled: Json | undefined): string | undefined {
  if (textAt(scheduled, "status") === "False") return textAt(scheduled, "message") ?? "it has no node";
  for (const status of containerStatusesOf(raw)) {
    const reason = textAt(status, "state", "waiting", "reason");
    if (reason === undefined) continue;
    const message = textAt(status, "state", "waiting", "message");
    return `container ${textAt(status, "name")}: ${reason}${message === undefined ? "" : `, ${message}`}`;
  }
  return undefined;
}
