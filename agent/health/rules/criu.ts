import { posix } from "node:path";
import { failed, ok, type Finding } from "../finding";
import { isAtLeast, versionIn } from "../version";

/** Outcome of one run of `criu check`, as the container criu-check writes it to a file. */
export interface CriuCheck {
  /** When it ended, by the node's clock. */
  readonly atMs: number;
  /** As `criu --version` says. */
  readonly version?: string;
  /** Version of the tree that lies on the node, and of that in the image of this pod. */
  readonly tree?: string;
  readonly wanted?: string;
  /** 0 looks good. Missing if it did not end: see `error`. */
  readonly exitCode?: number;
  /** Why there is no exit code: not started, or ended by a signal. */
  readonly error?: string;
  /** The end of what it said. */
  readonly output: string;
}

/** containerd asks for this version before it takes a checkpoint of a container. */
const LEAST = [4, 1];

/** @param check undefined if there is no result; @param limitMs how old a result may be */
export function checkCriu(
  folder: string,
  check: CriuCheck | undefined,
  { now, limitMs }: { readonly now: number; readonly limitMs: number },
): Finding {
  const program = `${folder}/current/bin/criu`;
  const logs = "See the log of the container criu-check of this pod";
  if (!check) return failed("criu", `criu check has not said anything yet. ${logs}`);
  const ageMs = now - check.atMs;
  if (ageMs > limitMs)
    return failed("criu", `criu check has not said anything for ${Math.round(ageMs / 1000)} s. ${logs}`);
  if (check.exitCode === undefined)
    return failed(
      "criu",
      `${program} cannot be run (${check.error ?? "no exit code"}). Is the helper of this node Ready, which lays it there?`,
    );
  const version = versionIn(check.version ?? "");
  if (version && !isAtLeast(version, LEAST))
    return failed(
      "criu",
      `${program} is CRIU ${check.version}, and ${LEAST.join(".")} or later is needed. Use a node agent image with it`,
    );
  if (check.wanted !== undefined && check.tree !== check.wanted)
    return failed(
      "criu",
      `the tree at ${folder} is ${check.tree ?? "of no version"}, and ${check.wanted} of this pod's image is needed. The helper of this node lays it there`,
    );
  if (check.exitCode !== 0)
    return failed(
      "criu",
      `criu check ended with ${check.exitCode}: ${errorsIn(check.output)}. This kernel lacks what CRIU needs, or the container criu-check lacks a right`,
    );
  return ok("criu", `CRIU ${check.version ?? "of an unknown version"}: looks good`);
}

/** Of CRIU's lines the last errors: those before are of features it can do without. */
function errorsIn(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const errors = lines
    .filter((line) => /^(\(\d+\.\d+\) *)?Error\b/.test(line))
    .map((line) => line.replace(/^(\(\d+\.\d+\) *)?Error *(\([^)]*\))?:? */, ""));
  const said = errors.length > 0 ? errors.slice(-2) : lines.filter((line) => line !== "").slice(-1);
  const text = said.join(", ");
  return text === "" ? "it said nothing" : text.length > 200 ? `${text.slice(0, 197)}...` : text;
}

/**
 * What is at the place where the runtime looks for CRIU.
 * @param target what the link holds; `other`: something that is no link; undefined: nothing
 */
export function checkCriuLink(
  folder: string,
  link: string,
  target: { readonly link: string } | "other" | undefined,
): Finding {
  const wanted = `${folder}/current/bin/criu`;
  const mend = "The helper of this node makes the link, and nothing else may be there";
  if (target === undefined)
    return failed("criuLink", `${link} is not there, by which the container runtime finds CRIU. ${mend}`);
  if (target === "other")
    return failed("criuLink", `${link} is a program of its own and not a link to ${wanted}. ${mend}`);
  const leads = posix.resolve(posix.dirname(link), target.link);
  return leads === posix.resolve(wanted)
    ? ok("criuLink", `${link} leads to ${wanted}`)
    : failed("criuLink", `${link} leads to ${leads} and not to ${wanted}. ${mend}`);
}
