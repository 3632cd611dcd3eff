/** API group of the kinds that are this project's own. */
export const AUTOMATION_GROUP = "automation.cedana.ai";

/** `apiVersion` of kind Checkpoint. */
export const CHECKPOINT_API_VERSION = `${AUTOMATION_GROUP}/v1alpha1`;

/** Name of the CustomResourceDefinition; fixed by Kubernetes to `<plural>.<group>`. */
export const CHECKPOINT_CRD = `checkpoints.${AUTOMATION_GROUP}`;

/** Set on Checkpoints whose data is to be deleted with them, if the engine can delete. */
export const CHECKPOINT_FINALIZER = `${AUTOMATION_GROUP}/checkpoint`;

/** Engines by name. */
export const ENGINES = ["cedana", "kubelet"] as const;
export type EngineName = (typeof ENGINES)[number];
