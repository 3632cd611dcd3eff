/** What is checked, in the order in which it is told. */
export const CHECKS = [
  "criu",
  "criuLink",
  "kernel",
  "cgroup",
  "runtime",
  "kubelet",
  "space",
  "registry",
  "ioUring",
] as const;
export type CheckName = (typeof CHECKS)[number];

/** What one check found. */
export interface Finding {
  readonly check: CheckName;
  /** warning: the node can checkpoint, but not everything on it, or not for long. */
  readonly status: "ok" | "warning" | "failed";
  /** One sentence without a full stop: what is wrong, what was found, what is needed, how to mend it. No secret. */
  readonly words: string;
}

export function ok(check: CheckName, words: string): Finding {
  return { check, status: "ok", words };
}

export function warning(check: CheckName, words: string): Finding {
  return { check, status: "warning", words };
}

export function failed(check: CheckName, words: string): Finding {
  return { check, status: "failed", words };
}
