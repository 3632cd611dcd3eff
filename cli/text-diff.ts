import { createTwoFilesPatch } from "diff";
import { createColors } from "picocolors";

/** Returns a unified diff of one file. `undefined` is a missing file. */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  const from = before === undefined ? "/dev/null" : `a/${path}`;
  const to = after === undefined ? "/dev/null" : `b/${path}`;
  const patch = createTwoFilesPatch(from, to, before ?? "", after ?? "", undefined, undefined, {
    context: 3,
  });
  return patch.replace(/^=+\n/, "").replaceAll(/^(---|\+\+\+) (.*)\t$/gm, "$1 $2");
}

/** Colors a diff if stdout is a terminal. */
export function colored(diff: string): string {
  const { green, red, bold, isColorSupported } = createColors(
    process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
  );
  if (!isColorSupported) return diff;
  const paint = (line: string) =>
    /^(---|\+\+\+) /.test(line)
      ? bold(line)
      : line.startsWith("+")
        ? green(line)
        : line.startsWith("-")
          ? red(line)
          : line;
  return diff.split("\n").map(paint).join("\n");
}
