import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ROOT } from "../support/sources";
import {
  missingStandIn,
  runExample,
  scratch,
  succeed,
  suiteWith,
  terraformExamples,
} from "./support/terraform";

/** Directory of cdktn and its provider, outside of the repository, so that other tools do not scan 480 MB. */
const manifest = join(ROOT, "test/integration/cdktn");
const lock = readFileSync(join(manifest, "package-lock.json"));
const cdktn = join(
  tmpdir(),
  `cedana-cdk-cdktn-${createHash("sha256").update(lock).digest("hex").slice(0, 12)}`,
);

function install(): void {
  if (existsSync(cdktn)) return;
  const unfinished = `${cdktn}.${process.pid}`;
  mkdirSync(unfinished);
  for (const file of ["package.json", "package-lock.json"])
    copyFileSync(join(manifest, file), join(unfinished, file));
  const { status, stderr } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: unfinished,
    encoding: "utf8",
  });
  if (status !== 0) {
    rmSync(unfinished, { recursive: true });
    throw new Error(`npm ci of ${manifest} ended with ${status}: is the npm registry reachable?\n${stderr}`);
  }
  renameSync(unfinished, cdktn);
}

interface Stack {
  "//"?: unknown;
  terraform: { required_providers: Record<string, { source: string; version: string }> };
}

/** Returns a stack without the name of the framework and the directory in which it ran. */
function readStack(folder: string, root: string): { readonly provider: string; readonly stack: object } {
  const { "//": _metadata, ...stack } = JSON.parse(
    readFileSync(join(folder, "cdk.tf.json"), "utf8").replaceAll(root, "."),
  ) as Stack;
  const { aws, ...others } = stack.terraform.required_providers;
  return {
    provider: `${aws!.source} ${aws!.version}`,
    stack: { ...stack, terraform: { ...stack.terraform, required_providers: others } },
  };
}

const folder = scratch();
const needsStandIn = suiteWith(missingStandIn());

beforeAll(install);

describe.each(terraformExamples())("example %s", (name) => {
  let onCdktn: string[];
  test("synthesizes the same resources with cdktn as with cdktf", () => {
    const [there, here] = [join(folder, "cdktf", name), join(folder, "cdktn", name)];
    const onCdktf = runExample(name, there);
    onCdktn = runExample(name, here, {
      nodeOptions: ["-r", join(manifest, "hook.cjs")],
      env: { CEDANA_INTEGRATION_CDKTN: cdktn },
    });
    expect(onCdktn.map((stack) => basename(stack))).toEqual(onCdktf.map((stack) => basename(stack)));
    for (const [index, stack] of onCdktf.entries()) {
      const [one, other] = [readStack(stack, there), readStack(onCdktn[index]!, here)];
      expect([one.provider, other.provider]).toEqual(["aws 6.25.0", "hashicorp/aws 6.66.0"]);
      expect(other.stack).toEqual(one.stack);
    }
  });

  needsStandIn("with a stand-in for AWS", () => {
    test("passes validate and plan with the newer provider", () => {
      for (const stack of onCdktn) {
        succeed(stack, "init", "-input=false", "-no-color");
        succeed(stack, "validate", "-no-color");
        expect(succeed(stack, "plan", "-input=false", "-no-color")).toMatch(/^Plan: \d+ to add/m);
      }
    });
  });
});
