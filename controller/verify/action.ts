import type { VerifyAction } from "../../api";
import type { VerifySettings } from "../../config/programs/controller";
import { ApiError, isFinal, textAt, type Client, type Json } from "../../kube";
import { POD, type CheckpointObject } from "../checkpoints/objects";
import { timeOf } from "../checkpoints/state";
import { ActionError, type PodAction } from "../policies/actions";
import type { Run } from "../policies/core/types";
import { isolationGap, NETWORK_POLICY } from "./isolation";
import { SANDBOX_POD } from "./objects";
import { recordOutcome } from "./record";
import type { Report } from "./report";
import type { Rooms } from "./rooms";
import { deriveSandbox, requestsOf } from "./sandbox";

export interface VerifyOptions {
  readonly settings: VerifySettings;
  readonly rooms: Rooms;
  /** Returns the newest completed Checkpoint of a pod. */
  readonly newest: (pod: Json) => CheckpointObject | undefined;
  readonly report: Report;
}

/** Names of pods: with a longer one the host name would be cut off. */
const MAX_NAME = 63;

/**
 * Creates the sandbox pod of the newest Checkpoint of the pod that is due. From then on the sandbox pod is the record of the
 * verification: its name is the same in each attempt and process, so there is one for each time.
 */
export function verifyAction({
  settings: limits,
  rooms,
  newest,
  report,
}: VerifyOptions): PodAction<VerifyAction> {
  return {
    withoutSpacing: true,
    full: (nowMs) => rooms.full(nowMs),
    async execute(settings, run, { client, signal }) {
      const { policy, dueMs } = run;
      const pod = await client.get(POD, run.pod, { signal });
      if (textAt(pod, "metadata", "uid") !== run.pod.uid || pod === undefined)
        throw new ActionError(
          "PodMissing",
          "the pod was deleted, and without it no sandbox pod can be derived",
        );
      const checkpoint = newest(pod);
      if (checkpoint === undefined)
        throw new ActionError(
          "NoCheckpoint",
          "no completed Checkpoint of the pod, or of its workload and pod template, exists",
        );
      if (isDone(checkpoint, policy.uid, dueMs)) return "ended";
      const skip = (reason: string, message: string) =>
        skipped(client, report, checkpoint, run, reason, message);
      const derived = deriveSandbox(pod, checkpoint, {
        name: sandboxName(run.key),
        policy,
        settings,
        nodeSelector: limits.nodeSelector,
      });
      if ("obstacles" in derived) throw await skip("NotPossible", derived.obstacles.join("; "));
      const { namespace } = checkpoint.metadata;
      const policies = await client.list(NETWORK_POLICY, { namespace, signal });
      const gap = isolationGap(policies, limits.networkPolicy, policy.uid);
      if (gap !== undefined) throw await skip("NotIsolated", gap);
      const requests = requestsOf(derived.pod as unknown as Json);
      const nowMs = Date.now();
      const key = `${namespace}/${derived.pod.metadata.name}`;
      const full = rooms.full(nowMs, key);
      if (full !== undefined) return { later: full };
      const lack = rooms.lacks(key, requests, nowMs);
      if (lack?.never) throw await skip("QuotaExceeded", lack.cause);
      if (lack) return { later: lack.cause };
      rooms.take(key, requests, nowMs);
      try {
        await client.create(SANDBOX_POD, { ...derived.pod }, { signal });
      } catch (error) {
        // An earlier attempt succeeded, of this process or of the last leader.
        if (error instanceof ApiError && error.reason === "AlreadyExists") return "ended";
        if (!isFinal(error)) {
          rooms.doubt(key);
          throw error;
        }
        rooms.release(key);
        // Such as another change of the ResourceQuota at the same time.
        if (error.status === 409) return { later: `the sandbox pod was not created: ${error.message}` };
        throw await skip("Rejected", `the API server rejected the sandbox pod: ${error.message}`);
      }
      report.started(checkpoint, policy.name, derived.pod.metadata.name);
      return "ended";
    },
  };
}

/** Returns the name of the sandbox pod: that of the run, whose hash is of policy, pod and time. */
export function sandboxName(runKey: string): string {
  const name = runKey.slice(runKey.indexOf("/") + 1);
  const hash = name.slice(name.lastIndexOf("-"));
  const prefix = "verify-";
  const left = name.slice(0, -hash.length).slice(0, MAX_NAME - prefix.length - hash.length);
  return `${prefix}${left.replaceAll(".", "-").replace(/-+$/, "")}${hash}`;
}

/** Checks whether the policy verified it for this time: by another process, which did not execute the action to its end. */
function isDone({ status: { lastVerified } }: CheckpointObject, policyUID: string, dueMs: number): boolean {
  return lastVerified?.policyUID === policyUID && Date.parse(lastVerified.time) >= dueMs;
}

async function skipped(
  client: Client,
  report: Report,
  checkpoint: CheckpointObject,
  { policy }: Run,
  reason: string,
  message: string,
): Promise<ActionError> {
  const verdict = { outcome: "Skipped", reason, message } as const;
  await recordOutcome(client, checkpoint, { time: timeOf(Date.now()), ...verdict, policyUID: policy.uid });
  report.ended(checkpoint, policy.name, verdict);
  return new ActionError(reason, `Checkpoint ${checkpoint.metadata.name}: ${message}`);
}
