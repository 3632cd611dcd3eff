/** Names of the engines: `engine.kind` of a platform, and `engine` of nodes. */
export const ENGINE_KINDS = ["kubelet", "cedana"] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

/** Engine of files and of nodes that name none. */
export const DEFAULT_ENGINE = "kubelet" satisfies EngineKind;
