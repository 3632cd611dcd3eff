import { failed, ok, warning, type Finding } from "../finding";
import { isAtLeast, versionIn } from "../version";

/** @param release as uname says; @param least major and minor */
export function checkKernel(release: string, least: string): Finding {
  const version = versionIn(release);
  if (version && isAtLeast(version, versionIn(least) ?? [])) return ok("kernel", `Linux ${release}`);
  return failed(
    "kernel",
    `Linux ${release} is older than ${least}, the oldest on which checkpoints are known to work. Use a newer AMI`,
  );
}

export function checkCgroup(version: 1 | 2, allowV1: boolean): Finding {
  if (version === 2) return ok("cgroup", "cgroup v2");
  const words = "the node has cgroup v1, and cgroup v2 is needed";
  return allowV1
    ? warning("cgroup", `${words}. It was allowed by health.allowCgroupV1`)
    : failed("cgroup", `${words}. Use an AMI with it (Amazon Linux 2023 has it)`);
}

/** @param disabled content of /proc/sys/kernel/io_uring_disabled; undefined before Linux 6.6, which has no such file */
export function checkIoUring(disabled: string | undefined): Finding {
  const value = disabled?.trim();
  if (value === "2") return ok("ioUring", "io_uring is disabled on the node");
  const who =
    value === "1" ? "a process that may use it (kernel.io_uring_disabled is 1)" : "a process that uses it";
  return warning(
    "ioUring",
    `io_uring is not disabled: ${who} cannot be checkpointed. Give pods seccompProfile RuntimeDefault, by which containerd 2 forbids it`,
  );
}

const GIB = 2 ** 30;

export interface SpaceSettings {
  readonly archives: string;
  readonly reserveBytes: number;
  readonly quotaBytes: number;
}

/** @param freeBytes what others than root may use on the disk of the archives */
export function checkSpace(
  freeBytes: number,
  { archives, reserveBytes, quotaBytes }: SpaceSettings,
): Finding {
  const has = `${archives} has ${gib(freeBytes)} free`;
  const usable = freeBytes - reserveBytes;
  if (usable <= 0)
    return failed(
      "space",
      `${has}, and ${gib(reserveBytes)} stay free, so no checkpoint is taken. Delete what is not needed there or give the node a larger disk`,
    );
  if (usable < quotaBytes)
    return warning(
      "space",
      `${has}, of which ${gib(reserveBytes)} stay free: the quota of ${gib(quotaBytes)} does not fit. Give the node a larger disk, or lower the quota`,
    );
  return ok("space", has);
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
