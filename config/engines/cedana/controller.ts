import * as v from "../../schema/valibot";
import type { CheckpointsOf, ResolvedInstall } from "../../install";
import { described, pattern, shape } from "../../schema";
import { checkpointEntries, timeoutSeconds } from "../controller";
import { cedanaNames } from "./names";
import type { ResolvedCedanaEngine } from "./schema";

/** Settings of the controller's checkpoints by this engine. */
export const cedanaControllerSchema = shape({
  ...checkpointEntries,
  engine: described(v.literal("cedana"), "Engine that takes checkpoints."),
  manager: described(
    shape({
      url: described(
        pattern(/^https?:\/\/[^\s/@]+$/, {
          code: "not-a-url",
          message: "is not the URL of a server",
          allowed: "http(s)://<host>[:<port>]",
        }),
        "URL of the REST API of Cedana's manager.",
      ),
      root: described(
        pattern(/^\/\S+$/, {
          code: "not-a-path",
          message: "is not an absolute path",
          allowed: "a path such as /run/containerd/runc/k8s.io",
        }),
        "Directory where the container runtime stores the state of its containers.",
      ),
      timeoutSeconds,
    }),
    "Access to Cedana's manager.",
  ),
});

/** Returns these settings. */
export function cedanaControllerSettings(
  engine: ResolvedCedanaEngine,
  install: ResolvedInstall,
  { maxPerNode, namespaces, timeoutSeconds }: CheckpointsOf,
): v.InferOutput<typeof cedanaControllerSchema> {
  const { checkpoints, kind, manager } = engine;
  const host = `${cedanaNames(engine, install).managerService}.${install.namespace}`;
  return {
    namespaces,
    maxPerNode,
    locations: checkpoints.locations,
    engine: kind,
    manager: { url: `http://${host}:${manager.service.port}`, root: checkpoints.root, timeoutSeconds },
  };
}
