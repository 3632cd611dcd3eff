/** Whether a pod is restored, and from what: pure functions of the pod, the Checkpoints and the pods that run. */
export { candidates, decide, without, type Decision } from "./decide";
export { type RestoredContainer, type Surroundings } from "./fit";
export { mutation, type PatchOperation } from "./mutation";
export { projectAdmittedPod, type AdmittedContainer, type AdmittedPod } from "./pod";
export { readRequest, type RestoreRequest } from "./request";
