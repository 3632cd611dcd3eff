import * as v from "../../schema/valibot";
import { described, dnsSubdomain, integer, oneOf, rule, shape, titled } from "../../schema";
import { nodeAgentEntries } from "../node-agent";
import { preDumpMode, restartPolicy, tcpMode } from "./controller";

const { allowCgroupV1, checks, logLevel, ...agentEntries } = nodeAgentEntries;

const className = oneOf([v.literal(false), dnsSubdomain]);

const runtimeClasses = v.pipe(
  shape({
    amd64: described(
      v.optional(className, "cedana-criu-amd64"),
      "RuntimeClass of x86_64 nodes. false: no RuntimeClass.",
    ),
    arm64: described(
      v.optional(className, "cedana-criu-arm64"),
      "RuntimeClass of arm64 nodes. false: no RuntimeClass.",
    ),
  }),
  rule<{ amd64: string | false; arm64: string | false }>({
    code: "missing",
    test: ({ amd64, arm64 }) => amd64 !== false || arm64 !== false,
    message: "has no RuntimeClass: no pod could be restored",
    allowed: "a name for amd64, arm64 or both",
  }),
  rule<{ amd64: string | false; arm64: string | false }>({
    code: "duplicate-name",
    test: ({ amd64, arm64 }) => amd64 === false || amd64 !== arm64,
    message: "has the same name twice",
    allowed: "a separate name for each architecture",
  }),
);

/**
 * Describes the engine `criu`: a service on each node checkpoints all containers of a pod at one moment, the agent of this
 * toolkit pushes them as one artifact, and a runtime handler restores pods. It needs no Cedana account.
 */
const criuEngine = shape({
  kind: described(v.optional(v.literal("criu"), "criu"), "Selects the open engine."),
  ...agentEntries,
  tcp: described(
    v.optional(tcpMode, "close"),
    "Established TCP connections of a checkpoint. close: they are closed in the restored processes. loopback: those over loopback are kept. refuse: a checkpoint fails if there is one.",
  ),
  preDump: described(
    v.optional(preDumpMode, "auto"),
    "Dumps of memory while the pod runs, before the freeze, which then dumps only what changed. auto: where that shortens the standstill and the node's kernel tracks memory. off: never.",
  ),
  freezeSeconds: described(
    v.optional(integer(1, 3600), 60),
    "Maximum time in which a checkpoint freezes the containers of a pod, in seconds. A longer one fails, and the containers resume.",
  ),
  restore: described(
    v.optional(
      shape({
        restart: described(
          v.optional(restartPolicy, "fresh"),
          "What happens to a restored container that ends and is created again in the same pod. fresh: it starts without the checkpoint. again: it is restored again, from the newest checkpoint of the pod.",
        ),
        lazy: described(
          v.optional(v.boolean(), false),
          "Whether restored processes run before their memory is loaded: pages are loaded on access, and the rest in the background.",
        ),
        timeoutSeconds: described(
          v.optional(integer(1, 86_400), 300),
          "Seconds after a pod got a node from which on no restore of the pod begins.",
        ),
      }),
      {},
    ),
    "Restores of pods.",
  ),
  runtimeClasses: described(
    v.optional(runtimeClasses, {}),
    "RuntimeClasses of restored pods. The webhook sets them. They schedule pods to nodes with the agent.",
  ),
  checks,
  allowCgroupV1,
  logLevel,
});

export const criuEngineSchema = titled(criuEngine, "the open engine");

export interface CriuEngineSpec extends v.InferInput<typeof criuEngineSchema> {}
export interface ResolvedCriuEngine extends v.InferOutput<typeof criuEngineSchema> {}

/** Returns the names of the RuntimeClasses by the architecture of their nodes (label kubernetes.io/arch). */
export function runtimeClassesOf({
  runtimeClasses: { amd64, arm64 },
}: Pick<ResolvedCriuEngine, "runtimeClasses">): { readonly amd64?: string; readonly arm64?: string } {
  return { ...(amd64 !== false && { amd64 }), ...(arm64 !== false && { arm64 }) };
}
