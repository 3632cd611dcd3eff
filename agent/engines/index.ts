/** The engines: what their agents do with the requests to a node. */
import type { AgentSettings } from "../../config/programs/agent";
import type { EngineTools, Runner } from "./engine";
import { criuRunners } from "./criu";
import { kubeletRunners } from "./kubelet";

export type { EngineTools, Runner } from "./engine";

type SettingsOf<E extends AgentSettings["engine"]> = Extract<AgentSettings, { readonly engine: E }>;

const ENGINES: {
  readonly [E in AgentSettings["engine"]]: (settings: SettingsOf<E>, tools: EngineTools) => readonly Runner[];
} = { kubelet: kubeletRunners, criu: criuRunners };

/** Returns what processes the requests of an engine to a node. */
export function runnersOf(settings: AgentSettings, tools: EngineTools): readonly Runner[] {
  return ENGINES[settings.engine](settings as never, tools);
}
