/** Verification of Checkpoints: the action `verify` of policies, and the sandbox pods that it creates. */
import { SANDBOX, type PolicyFailure, type PolicyLastVerified, type VerifyAction } from "../../api";
import type { VerifySettings } from "../../config/programs/controller";
import { controller, type Controller } from "../../kube";
import { CHECKPOINT } from "../checkpoints/objects";
import type { PlanRestore } from "../engines";
import type { Action } from "../policies/actions";
import { NODE_RESTORE, planProgress, podKeyOf } from "../restore/plan";
import { isRequested } from "../restore/pods";
import type { Runtime } from "../runtime";
import { verifyAction } from "./action";
import { Newest } from "./newest";
import { SANDBOX_POD } from "./objects";
import { SandboxReconciler } from "./reconciler";
import { Report } from "./report";
import { Rooms } from "./rooms";

/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;
const WORKERS = 4;

export interface VerificationOptions extends Runtime {
  readonly settings: VerifySettings;
  /** Namespaces whose Checkpoints are reconciled. */
  readonly namespaces: "all" | readonly string[];
  /** How Checkpoints are restored. */
  readonly method: PlanRestore;
}

/** Verifies Checkpoints. */
export class Verification {
  readonly action: Action<VerifyAction>;
  /** Follows the sandbox pods. It runs on the leader. */
  readonly controller: Controller;
  /** Called when a verification has ended, with the UID of its policy, and the failure if it did not succeed. */
  ended?: (policyUID: string, failure?: Omit<PolicyFailure, "time">) => void;
  private readonly byPolicy;

  constructor({ settings, namespaces, method, cache, client, events, log, metrics }: VerificationOptions) {
    const scope = { namespaces, skipDenied: true };
    const pods = cache.objects(SANDBOX_POD, { ...scope, labelSelector: SANDBOX.label });
    const checkpoints = cache.objects(CHECKPOINT, scope);
    const requests = cache.objects(NODE_RESTORE, { namespaces: [method.namespace] });
    this.byPolicy = checkpoints.index(({ status: { lastVerified } }) =>
      lastVerified?.policyUID === undefined ? [] : [lastVerified.policyUID],
    );
    const byUid = checkpoints.index(({ metadata }) => [metadata.uid]);
    const report = new Report(events, metrics, log, () => pods.list().length);
    const rooms = new Rooms({ ...settings, pods: () => pods.list() });
    const newest = new Newest(checkpoints);
    this.action = verifyAction({ settings, rooms, newest: (pod) => newest.of(pod), report });
    const reconciler = new SandboxReconciler({
      client,
      pod: (key) => pods.get(key),
      checkpoint: (pod) => byUid(pod.from ?? "").find((one) => isRequested(pod, one)),
      progress: (pod, checkpoint) => {
        const request = requests.get(`${method.namespace}/${pod.metadata.uid}`);
        // Without the label of admission it is unknown which Checkpoint it is.
        return planProgress(pod, request, checkpoint !== undefined || pod.from === undefined, []);
      },
      report,
      ended: (policyUID, failure) => this.ended?.(policyUID, failure),
      log,
    });
    pods.onChange(({ key, old, new: now }) => {
      rooms.release(key);
      if (now || !old) return;
      reconciler.podDeleted(old.metadata.uid);
      this.ended?.(old.policyUID);
    });
    this.controller = controller("verifications", {
      log,
      metrics,
      workers: WORKERS,
      maxDelayMs: MAX_DELAY_MS,
    })
      .for(pods)
      .needs(checkpoints)
      .owns(requests, podKeyOf)
      .reconcile((key) => reconciler.reconcile(key));
  }

  /** Returns the last outcome of a policy, by the Checkpoints that exist. */
  lastOf(policyUID: string): PolicyLastVerified | undefined {
    let last: PolicyLastVerified | undefined;
    for (const { metadata, status } of this.byPolicy(policyUID)) {
      const { lastVerified: found } = status;
      if (found === undefined || (last && Date.parse(last.time) >= Date.parse(found.time))) continue;
      const { time, outcome, reason, message } = found;
      last = { time, outcome, reason, message, namespace: metadata.namespace, checkpoint: metadata.name };
    }
    return last;
  }
}
