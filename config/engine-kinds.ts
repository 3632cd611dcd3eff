/** Lists the engines: values of `engine.kind` of a platform and of `engine` of nodes. */
export const ENGINE_KINDS = ["criu", "kubelet", "cedana"] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

/** Engine of files and nodes that do not set one. */
export const DEFAULT_ENGINE = "criu" satisfies EngineKind;
