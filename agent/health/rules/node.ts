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
  /** Directory on the disk of the checkpoints. */
  readonly state: string;
  readonly reserveBytes: number;
  readonly quotaBytes: number;
}

/**
 * Checks the free space on the disk of the checkpoints.
 * @param freeBytes space available to unprivileged users
 */
export function checkSpace(freeBytes: number, { state, reserveBytes, quotaBytes }: SpaceSettings): Finding {
  const free = `${state} has ${gib(freeBytes)} free`;
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
