import type { HandlerConfig } from "../containerd-config";
import { failed, ok, type Finding } from "../finding";
import type { CriuCheck } from "./criu";

/** Annotations that the wrapper needs. A shorter pattern that contains them is not recognized. */
const ANNOTATIONS = "cedana.ai/*";

/**
 * Checks that containerd has the runtime handler that restores containers, and that the handler's OCI runtime is installed.
 * @param nodeInfo Node.status.nodeInfo.containerRuntimeVersion: `containerd://2.3.7`
 * @param config the handler; undefined: it is not configured; `unknown`: why the configuration cannot be read
 * @param binary file at the handler's path on the node
 */
export function checkHandler(
  nodeInfo: string,
  { name, binary }: { readonly name: string; readonly binary: string },
  config: HandlerConfig | { readonly unknown: string } | undefined,
  file: "executable" | "missing" | "other",
): Finding {
  const fail = (message: string, remedy: string) => failed("runtime", message, remedy);
  const boot = "Configure it when the node starts: docs/nodes/node-service.md";
  const line = (text: string) =>
    `Set ${text} in the handler when the node starts: docs/nodes/node-service.md`;
  if (!nodeInfo.startsWith("containerd://"))
    return fail(`the runtime is ${nodeInfo || "unknown"}, but containerd is required`, "Use another AMI");
  if (config === undefined) return fail(`containerd has no runtime handler ${name}`, boot);
  if ("unknown" in config)
    return fail(`it is unknown whether containerd has the runtime handler ${name}: ${config.unknown}`, boot);
  if (config.binary !== binary)
    return fail(
      `runtime handler ${name} calls ${config.binary ?? "runc"}, not ${binary}`,
      line(`BinaryName = "${binary}"`),
    );
  if (!config.podAnnotations.includes(ANNOTATIONS))
    return fail(
      `runtime handler ${name} does not pass annotations ${ANNOTATIONS} of pods`,
      line(`pod_annotations = ["${ANNOTATIONS}"]`),
    );
  // Pods of the handler would be outside of the kubelet's cgroups.
  const { own = false, default: kubelet } = config.systemdCgroup ?? {};
  if (kubelet !== undefined && own !== kubelet)
    return fail(
      `runtime handler ${name} has SystemdCgroup = ${own}, the default handler ${kubelet}`,
      line(`SystemdCgroup = ${kubelet}`),
    );
  if (file !== "executable")
    return fail(
      `${binary} is ${file === "missing" ? "missing" : "not an executable file"}`,
      "The helper installs it: check that the helper on this node is Ready",
    );
  return ok("runtime", `containerd ${nodeInfo.slice(13)} has the runtime handler ${name}`);
}

/**
 * Checks that the host service responds. Only the container criu-check, which is root, may connect.
 * @param check undefined if there is no result, or an outdated one, which the check `criu` reports
 */
export function checkNodeService(socket: string, check: CriuCheck | undefined): Finding {
  if (check?.service === undefined)
    return failed(
      "nodeService",
      "criu-check has not reported yet whether the host service responds",
      "See the log of container criu-check of this pod",
    );
  const { error } = check.service;
  if (error === undefined) return ok("nodeService", `the host service responds at ${socket}`);
  return failed(
    "nodeService",
    `the host service does not respond at ${socket} (${error})`,
    "See systemctl status cedana-noded.path cedana-noded on the node. The units are created when it starts: docs/nodes/node-service.md",
  );
}
