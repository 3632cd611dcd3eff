import { DEFAULT_ENGINE, type EngineKind } from "../engines";
import type { Platform } from "./schema";

/** Returns the nodes with the engine of the platform, if they name none. */
export function withEngine<N extends { readonly engine?: EngineKind }>(nodes: N, kind: EngineKind): N {
  return { ...nodes, engine: nodes.engine ?? kind };
}

type Karpenter = NonNullable<Platform["karpenter"]>;

export function poolsWithEngine(karpenter: Karpenter, kind: EngineKind): Karpenter {
  return { ...karpenter, nodePools: karpenter.nodePools.map((pool) => withEngine(pool, kind)) };
}

/** Returns the platform with its engine set on all nodes that name none. */
export function withNodeEngines(platform: Platform): Platform {
  const { engine, karpenter, nodeGroups } = platform;
  const kind = engine?.kind ?? DEFAULT_ENGINE;
  return {
    ...platform,
    nodeGroups: nodeGroups.map((group) => withEngine(group, kind)),
    ...(karpenter && { karpenter: poolsWithEngine(karpenter, kind) }),
  };
}
