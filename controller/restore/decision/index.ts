/** Decides whether a pod is restored, and from which Checkpoint: pure functions of the pod, the Checkpoints and running pods. */
export { candidates, decide, without, type Decision } from "./decide";
export { type RestoredContainer, type Surroundings } from "./fit";
export { mutation } from "./mutation";
export { projectAdmittedPod, type AdmittedContainer, type AdmittedPod } from "./pod";
export { readRequest, type RestoreRequest } from "./request";
