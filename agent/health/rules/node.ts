import type { ContainerdConfig } from "../containerd-config";
import { failed, ok, warning, type Finding } from "../finding";

/** Returns the leading numbers of a version: `6.1.0-13-amd64` is [6, 1, 0]; undefined if there are none. */
export function versionIn(text: string): readonly number[] | undefined {
  const found = /^v?(\d+(?:\.\d+)*)/.exec(text);
  return found?.[1]?.split(".").map(Number);
}

/** Returns whether a version is at least the other one; missing numbers count as 0. */
export function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (let at = 0; at < Math.max(version.length, least.length); at++) {
    const difference = (version[at] ?? 0) - (least[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * Checks the kernel version.
 * @param release from uname
 * @param least major and minor
 */
export function checkKernel(release: string, least: string): Finding {
  const version = versionIn(release);
  if (version && isAtLeast(version, versionIn(least) ?? [])) return ok("kernel", `Linux ${release}`);
  return failed("kernel", `Linux ${release} is older than the required ${least}`, "Use a newer AMI");
}

export function checkCgroup(version: 1 | 2, allowV1: boolean): Finding {
  if (version === 2) return ok("cgroup", "cgroup v2");
  return allowV1
    ? warning("cgroup", "the node uses cgroup v1, allowed by health.allowCgroupV1")
    : failed(
        "cgroup",
        "the node uses cgroup v1, but cgroup v2 is required",
        "Use an AMI with cgroup v2, such as Amazon Linux 2023",
      );
}

/**
 * Checks that io_uring is disabled.
 * @param disabled content of /proc/sys/kernel/io_uring_disabled; undefined before Linux 6.6, which has no such file
 */
export function checkIoUring(disabled: string | undefined): Finding {
  const value = disabled?.trim();
  if (value === "2") return ok("ioUring", "io_uring is disabled on the node");
  const scope = value === "1" ? " for privileged processes (kernel.io_uring_disabled is 1)" : "";
  return warning(
    "ioUring",
    `io_uring is enabled${scope}; processes that use it cannot be checkpointed`,
    "Set seccompProfile RuntimeDefault for pods: containerd 2 then forbids io_uring",
  );
}

const GIB = 2 ** 30;

export interface SpaceSettings {
  readonly archives: string;
  readonly reserveBytes: number;
  readonly quotaBytes: number;
}

/**
 * Checks the free space on the disk of the archives.
 * @param freeBytes space available to unprivileged users
 */
export function checkSpace(
  freeBytes: number,
  { archives, reserveBytes, quotaBytes }: SpaceSettings,
): Finding {
  const free = `${archives} has ${gib(freeBytes)} free`;
  const usable = freeBytes - reserveBytes;
  if (usable <= 0)
    return failed(
      "space",
      `${free}, not more than the reserve of ${gib(reserveBytes)}: checkpoints are disabled`,
      "Delete files there or use a larger disk",
    );
  if (usable < quotaBytes)
    return warning(
      "space",
      `${free}, of which ${gib(reserveBytes)} are reserved: the quota of ${gib(quotaBytes)} does not fit`,
      "Use a larger disk or lower the quota",
    );
  return ok("space", free);
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}

/**
 * Checks that the kubelet responds. It rejects requests without credentials, which proves that it is reachable with a
 * certificate of the cluster.
 * @param response HTTP status, or why there was none
 */
export function checkKubelet(address: string, response: number | { readonly error: string }): Finding {
  if (typeof response === "number") return ok("kubelet", `the kubelet responds at ${address}`);
  return failed(
    "kubelet",
    `the kubelet does not respond at ${address} with a certificate of this cluster (${response.error})`,
    "Open its port to pods of this node, and use a serving certificate signed by the cluster's CA",
  );
}

/** Configuration of a container runtime, or why it could not be read. */
export type RuntimeConfig = ContainerdConfig | { readonly unknown: string };

const RESTORE_KEY = "enable_experimental_restore_via_create";
const SECTION = '[plugins."io.containerd.cri.v1.runtime"]';
const RUNC = "io.containerd.runc.v2";
const SUPPORTED = "Use one of 2.1 to 2.3";

/** The first containerd version with checkpoints, with restore from images, and without restore again. */
const CHECKPOINT_VERSION = [2, 0];
const RESTORE_VERSION = [2, 1];
const RESTORE_REMOVED_VERSION = [2, 4];

/**
 * Checks that the container runtime can checkpoint and restore.
 * @param nodeInfo Node.status.nodeInfo.containerRuntimeVersion: `containerd://2.1.9`
 * @param config of containerd
 */
export function checkRuntime(nodeInfo: string, config: RuntimeConfig, requireRestore: boolean): Finding {
  const [name = "", text = ""] = nodeInfo.split("://");
  const version = versionIn(text);
  if (name === "cri-o") {
    return warning(
      "runtime",
      `it is unknown whether CRI-O ${text} has enable_criu_support`,
      "Enable it in /etc/crio/crio.conf.d",
    );
  }
  if (name !== "containerd" || !version)
    return failed("runtime", `the runtime is ${nodeInfo || "unknown"}, but containerd or CRI-O is required`);
  const runtime = `containerd ${text}`;
  if (!isAtLeast(version, CHECKPOINT_VERSION))
    return failed("runtime", `${runtime} does not support checkpoints`, SUPPORTED);
  if (!("unknown" in config)) {
    if (config.enableCriu === false)
      return failed(
        "runtime",
        `checkpoints are disabled in ${runtime}`,
        `Remove enable_criu = false from ${SECTION} of its configuration`,
      );
    const { defaultHandler = "runc", defaultType = RUNC } = config;
    if (defaultType !== RUNC)
      return failed(
        "runtime",
        `the default runtime handler ${defaultHandler} is ${defaultType}, but checkpoints require ${RUNC}`,
      );
  }
  return checkRestore(runtime, version, config, requireRestore);
}

function checkRestore(
  runtime: string,
  version: readonly number[],
  config: RuntimeConfig,
  requireRestore: boolean,
): Finding {
  const supported = isAtLeast(version, RESTORE_VERSION) && !isAtLeast(version, RESTORE_REMOVED_VERSION);
  if (supported && needsRestoreKey(version) && "unknown" in config)
    return warning(
      "runtime",
      `it is unknown whether ${runtime} restores from checkpoint images: ${config.unknown}`,
    );
  const enabled = !needsRestoreKey(version) || ("restoreViaCreate" in config && config.restoreViaCreate);
  if (supported && enabled) return ok("runtime", `${runtime} checkpoints, and restores from images`);
  const message = `${runtime} does not restore from checkpoint images`;
  const remedy = supported
    ? `Set ${RESTORE_KEY} = true in ${SECTION} of its configuration when the node starts`
    : SUPPORTED;
  return requireRestore
    ? failed("runtime", message, remedy)
    : warning("runtime", `${message}, allowed by health.requireRestore`, remedy);
}

/** Returns whether restore is off by default: in 2.2 from 2.2.7 on, and in 2.3 from 2.3.4 on. */
function needsRestoreKey(version: readonly number[]): boolean {
  const [, minor = 0] = version;
  if (minor === 2) return isAtLeast(version, [2, 2, 7]);
  return minor === 3 && isAtLeast(version, [2, 3, 4]);
}
