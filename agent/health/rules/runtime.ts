import type { ContainerdConfig } from "../containerd-config";
import { failed, ok, warning, type Finding } from "../finding";
import { isAtLeast, versionIn } from "../version";

/** What is known of a container runtime's configuration. */
export type RuntimeConfig = ContainerdConfig | { readonly unknown: string };

const KEY = "enable_experimental_restore_via_create";
const SECTION = '[plugins."io.containerd.cri.v1.runtime"]';
const RUNC = "io.containerd.runc.v2";

const UNKNOWN = "unknown";

/** The first version that takes checkpoints, that restores from images of them, and that does so no more. */
const CHECKPOINTS = [2, 0];
const RESTORES = [2, 1];
const REMOVED = [2, 4];

/**
 * @param given as Node.status.nodeInfo.containerRuntimeVersion says: `containerd://2.1.9`
 * @param config of containerd
 */
export function checkRuntime(given: string, config: RuntimeConfig, requireRestore: boolean): Finding {
  const [name = "", text = ""] = given.split("://");
  const version = versionIn(text);
  if (name === "cri-o") {
    return warning(
      "runtime",
      `the runtime is CRI-O ${text}, of which nobody has said whether enable_criu_support is on. Set it in /etc/crio/crio.conf.d`,
    );
  }
  if (name !== "containerd" || !version)
    return failed("runtime", `the runtime is ${given || "not known"}, and containerd or CRI-O is needed`);
  const runtime = `containerd ${text}`;
  if (!isAtLeast(version, CHECKPOINTS))
    return failed("runtime", `${runtime} takes no checkpoints. Use one of 2.1 to 2.3`);
  const problem = "unknown" in config ? undefined : problemOf(runtime, config);
  if (problem !== undefined) return failed("runtime", problem);
  const restores = restoresFrom(version, config);
  if (restores === true) return ok("runtime", `${runtime} checkpoints, and restores from images`);
  if (restores === UNKNOWN) {
    const why = "unknown" in config ? config.unknown : "";
    return warning(
      "runtime",
      `nobody has said whether ${runtime} restores from images of checkpoints: ${why}`,
    );
  }
  const words = `${runtime} does not restore from images of checkpoints. ${restores}`;
  return requireRestore
    ? failed("runtime", words)
    : warning("runtime", `${words}. It was allowed by health.requireRestore`);
}

/** What keeps any version from checkpoints. */
function problemOf(runtime: string, config: ContainerdConfig): string | undefined {
  if (config.enableCriu === false)
    return `${runtime} is told to take no checkpoints. Remove enable_criu = false from ${SECTION} of its configuration`;
  const { defaultHandler = "runc", defaultType = RUNC } = config;
  if (defaultType !== RUNC)
    return `the default runtime handler ${defaultHandler} is ${defaultType}, which takes no checkpoints, and ${RUNC} is needed`;
  return undefined;
}

/** @returns true, what is needed instead, or UNKNOWN */
function restoresFrom(version: readonly number[], config: RuntimeConfig): true | string {
  if (!isAtLeast(version, RESTORES) || isAtLeast(version, REMOVED)) return "Use one of 2.1 to 2.3";
  if (!needsKey(version)) return true;
  if ("unknown" in config) return UNKNOWN;
  return (
    config.restoreViaCreate === true ||
    `Set ${KEY} = true in ${SECTION} of its configuration when the node starts`
  );
}

/** Patches from 2.2.7 and 2.3.4 on restore only if they are told to. 2.1 never asks. */
function needsKey(version: readonly number[]): boolean {
  const [, minor = 0] = version;
  if (minor === 2) return isAtLeast(version, [2, 2, 7]);
  return minor === 3 && isAtLeast(version, [2, 3, 4]);
}
