import * as v from "../../schema/valibot";
import { described, shape } from "../../schema";

/** The checks of a node that can fail, in the order in which they are reported. */
export const GATING_CHECKS = [
  "criu",
  "criuLink",
  "kernel",
  "cgroup",
  "runtime",
  "nodeService",
  "space",
  "registry",
] as const;
export type GatingCheck = (typeof GATING_CHECKS)[number];

/** Effects of a failed check. */
const CHECK_EFFECTS = ["gate", "warn"] as const;
type Effect = (typeof CHECK_EFFECTS)[number];

const effect = (defaultValue: Effect, description: string) =>
  described(v.optional(v.picklist(CHECK_EFFECTS), defaultValue), description);

/** Describes which checks of the health check gate a node. A check that depends on something outside of the node only warns. */
export const checksSchema = shape({
  criu: effect("gate", "The installed CRIU passes criu check."),
  criuLink: effect("gate", "The link by which the container runtime finds CRIU."),
  kernel: effect("gate", "The version of the kernel."),
  cgroup: effect("gate", "The version of cgroups."),
  runtime: effect("gate", "The runtime handler of containerd, and the wrapper."),
  nodeService: effect("gate", "The host service responds."),
  space: effect("warn", "The disk of the checkpoints has free space."),
  registry: effect("warn", "The registry responds, and accepts the credentials of the agent."),
} satisfies Readonly<Record<GatingCheck, unknown>>);

type Checks = Readonly<Record<GatingCheck, Effect>>;

/** Returns the checks with this effect, in the order in which they are reported. */
export function checksThat(effect: Effect, checks: Checks): readonly GatingCheck[] {
  return GATING_CHECKS.filter((check) => checks[check] === effect);
}
