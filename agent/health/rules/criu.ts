import { posix } from "node:path";
import { failed, ok, type Finding } from "../finding";
import { isAtLeast, versionIn } from "./node";

/** Result of one run of `criu check`, as the container criu-check writes it to a file. */
export interface CriuCheck {
  /** When it ended, by the node's clock. */
  readonly atMs: number;
  /** From `criu --version`. */
  readonly version?: string;
  /** Version of the tree on the node. */
  readonly tree?: string;
  /** Version of the tree in the image of this pod. */
  readonly expectedTree?: string;
  /** 0: CRIU works. Missing if there is an `error`. */
  readonly exitCode?: number;
  /** Whether the kernel tracks changed memory, which dumps before the freeze need. Missing if `criu check` failed. */
  readonly tracksMemory?: boolean;
  /** Why there is no exit code: not started, or killed by a signal. */
  readonly error?: string;
  /** Whether the host service responded, with the error if it did not. Missing if the engine has no host service. */
  readonly service?: { readonly error?: string };
  /** The end of the output. */
  readonly output: string;
}

/** containerd requires this version for a checkpoint. */
const LEAST = [4, 1];

/**
 * Checks the result of `criu check`.
 * @param check undefined if there is no result
 * @param limitMs largest age of a result
 */
export function checkCriu(
  folder: string,
  check: CriuCheck | undefined,
  { now, limitMs }: { readonly now: number; readonly limitMs: number },
): Finding {
  const program = `${folder}/current/bin/criu`;
  const logs = "See the log of container criu-check of this pod";
  if (!check) return failed("criu", "criu check has not reported yet", logs);
  const ageMs = now - check.atMs;
  if (ageMs > limitMs)
    return failed("criu", `criu check has not reported for ${Math.round(ageMs / 1000)} s`, logs);
  if (check.exitCode === undefined)
    return failed(
      "criu",
      `${program} cannot be run (${check.error ?? "no exit code"})`,
      "The helper installs it: check that the helper on this node is Ready",
    );
  const version = versionIn(check.version ?? "");
  if (version && !isAtLeast(version, LEAST))
    return failed(
      "criu",
      `${program} is CRIU ${check.version}, but ${LEAST.join(".")} or later is required`,
      "Use a node agent image with a newer CRIU",
    );
  if (check.expectedTree !== undefined && check.tree !== check.expectedTree)
    return failed(
      "criu",
      `the CRIU tree in ${folder} is ${check.tree ?? "without a version"}, but this pod's image has ${check.expectedTree}`,
      "The helper installs it: check that the helper on this node has the same image",
    );
  if (check.exitCode !== 0)
    return failed(
      "criu",
      `criu check ended with ${check.exitCode}: ${errorsIn(check.output)}`,
      "The kernel lacks a feature that CRIU needs, or container criu-check lacks a capability",
    );
  const memory = {
    true: "; the kernel tracks changed memory",
    false: "; the kernel does not track changed memory, so all of it is dumped in the freeze",
  }[String(check.tracksMemory)];
  return ok("criu", `CRIU ${check.version ?? "of unknown version"} works${memory ?? ""}`);
}

/** Returns the last errors of CRIU's output: earlier ones are about optional features. */
function errorsIn(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const errors = lines
    .filter((line) => /^(\(\d+\.\d+\) *)?Error\b/.test(line))
    .map((line) => line.replace(/^(\(\d+\.\d+\) *)?Error *(\([^)]*\))?:? */, ""));
  const last = errors.length > 0 ? errors.slice(-2) : lines.filter((line) => line !== "").slice(-1);
  const text = last.join(", ");
  return text === "" ? "no output" : text.length > 200 ? `${text.slice(0, 197)}...` : text;
}

/**
 * Checks the link by which the container runtime finds CRIU.
 * @param target of the link; `other`: not a link; undefined: missing
 */
export function checkCriuLink(
  folder: string,
  link: string,
  target: { readonly link: string } | "other" | undefined,
): Finding {
  const expected = `${folder}/current/bin/criu`;
  if (target === undefined)
    return failed(
      "criuLink",
      `${link} is missing: the container runtime finds no CRIU`,
      "The helper creates the link: check that the helper on this node is Ready",
    );
  const remedy = "Remove it: the helper creates the link when it starts";
  if (target === "other")
    return failed("criuLink", `${link} is another program, not a link to ${expected}`, remedy);
  const resolved = posix.resolve(posix.dirname(link), target.link);
  return resolved === posix.resolve(expected)
    ? ok("criuLink", `${link} points to ${expected}`)
    : failed("criuLink", `${link} points to ${resolved}, not to ${expected}`, remedy);
}
