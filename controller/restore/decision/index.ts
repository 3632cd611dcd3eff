/** Decides whether a pod is restored, and from which Checkpoint: pure functions of the pod, the Checkpoints and running pods. */
export { isAbandoned, isOwnClaim, nextAttempts, refusalOf, type Refusal } from "./attempts";
export { candidates, decide, type Decision } from "./decide";
export type { RestoreMethods } from "./fit";
export { mutation } from "./mutation";
export { original, type Placements } from "./placement";
export {
  matchWorkload,
  projectAdmittedPod,
  readRequest,
  selectorOf,
  templateHashOf,
  type AdmittedPod,
  type RestoreRequest,
} from "./pod";
