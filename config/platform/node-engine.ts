import type { EngineKind } from "../engines";
import type { Platform } from "./schema";

/** Returns the nodes with the engine of the file, if they name none. */
export function withEngine<N extends { readonly engine?: EngineKind }>(nodes: N, kind?: EngineKind): N {
  return kind === undefined ? nodes : { ...nodes, engine: nodes.engine ?? kind };
}

type Karpenter = NonNullable<Platform["karpenter"]>;

export function poolsWithEngine(karpenter: Karpenter, kind?: EngineKind): Karpenter {
  return { ...karpenter, nodePools: karpenter.nodePools.map((pool) => withEngine(pool, kind)) };
}

/** Returns the platform whose nodes all have an engine if the file has one. */
export function withNodeEngines(platform: Platform): Platform {
  const { engine, karpenter, nodeGroups } = platform;
  return {
    ...platform,
    nodeGroups: nodeGroups.map((group) => withEngine(group, engine?.kind)),
    ...(karpenter && { karpenter: poolsWithEngine(karpenter, engine?.kind) }),
  };
}
