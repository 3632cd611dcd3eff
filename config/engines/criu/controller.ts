/** Settings of the controller's checkpoints and restores by the engine `criu`. */
import * as v from "../../schema/valibot";
import { derived, described, dnsSubdomain, integer, rule, shape } from "../../schema";
import { checkpointEntries } from "../engine";
import { agentAccess, artifactSettings } from "../node-agent";

/** What a checkpoint does with established TCP connections. */
export const tcpMode = v.picklist(["close", "loopback", "refuse"]);

/** Whether memory is dumped before the freeze, while the pod runs. */
export const preDumpMode = v.picklist(["auto", "off"]);

/** What happens to a restored container that ends and is created again in the same pod. */
export const restartPolicy = v.picklist(["fresh", "again"]);

const runtimeClasses = v.pipe(
  shape({
    amd64: described(derived(dnsSubdomain, "none"), "Name of the RuntimeClass of x86_64 nodes."),
    arm64: described(derived(dnsSubdomain, "none"), "Name of the RuntimeClass of arm64 nodes."),
  }),
  rule<{ amd64?: string; arm64?: string }>({
    code: "missing",
    test: ({ amd64, arm64 }) => amd64 !== undefined || arm64 !== undefined,
    message: "has no RuntimeClass",
    allowed: "amd64, arm64 or both",
  }),
);

/** Settings of the controller's checkpoints by this engine. Durations are in seconds. */
export const criuControllerSchema = shape({
  ...checkpointEntries,
  engine: described(v.literal("criu"), "Engine that takes checkpoints."),
  agent: agentAccess,
  artifacts: artifactSettings,
  tcp: described(
    tcpMode,
    "Established TCP connections. close: closed in the restored processes. loopback: those over loopback are kept. refuse: a checkpoint fails if there is one.",
  ),
  preDump: described(
    preDumpMode,
    "Dumps of memory before the freeze. auto: where they shorten the standstill and the kernel tracks memory. off: never.",
  ),
  freezeSeconds: described(integer(1, 3600), "Maximum time in which a checkpoint freezes containers."),
  runtimeClasses: described(
    runtimeClasses,
    "RuntimeClasses whose handler restores containers, by architecture of the checkpoint.",
  ),
  restore: described(
    shape({
      restart: described(
        restartPolicy,
        "What happens to a restored container that ends and is created again. fresh: it starts without the checkpoint. again: it is restored again, from the newest checkpoint of the pod.",
      ),
      lazy: described(v.boolean(), "Whether memory pages are restored on access."),
      timeoutSeconds: described(
        integer(1, 86_400),
        "Seconds after a pod got a node from which on no restore of the pod begins.",
      ),
    }),
    "Restores of pods.",
  ),
});
