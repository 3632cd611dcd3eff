/** The kinds that the install defines. */
export { CEDANA_CRD, CedanaCrd } from "./cedana";
export { CheckpointCrd } from "./checkpoint";
export { NodeCheckpointCrd } from "./node-checkpoint";
