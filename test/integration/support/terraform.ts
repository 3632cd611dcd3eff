import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../support/sources";

/** Cache of unpacked providers, for all stacks and runs. */
const PLUGIN_CACHE = join(tmpdir(), "cedana-cdk-terraform-plugins");

/**
 * Environment with invalid credentials and without access to profiles and instance metadata, so that the tests cannot
 * change a real account.
 */
const ENVIRONMENT = {
  ...process.env,
  TF_IN_AUTOMATION: "1",
  CHECKPOINT_DISABLE: "1",
  TF_PLUGIN_CACHE_DIR: PLUGIN_CACHE,
  AWS_ACCESS_KEY_ID: "none",
  AWS_SECRET_ACCESS_KEY: "none",
  AWS_SESSION_TOKEN: "",
  AWS_PROFILE: "",
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
};

/** Returns a message about what is missing to plan and apply. */
export function missingStandIn(): string | undefined {
  if (missingTerraform() !== undefined || hasStandIn()) return missingTerraform();
  return "TF_CLI_CONFIG_FILE names no provider mirror with a stand-in for AWS: stacks are only validated, not planned and applied";
}

/** Returns a message if Terraform is missing. */
export function missingTerraform(): string | undefined {
  if (spawnSync("terraform", ["version"]).status === 0) return undefined;
  return "terraform is not on PATH: install 1.5 or newer from https://developer.hashicorp.com/terraform/install";
}

/**
 * Checks whether a provider mirror is configured, which must have a stand-in that simulates AWS. Without it, only init (from
 * the registry) and validate run.
 */
function hasStandIn(): boolean {
  const file = process.env["TF_CLI_CONFIG_FILE"];
  return file !== undefined && existsSync(file);
}

/**
 * Returns `describe` if nothing is missing. Otherwise the suite is skipped, and a test with the message fails instead, unless
 * CEDANA_INTEGRATION_ALLOW_MISSING=1.
 */
export function suiteWith(missing: string | undefined): jest.Describe {
  if (missing === undefined) return describe;
  if (process.env["CEDANA_INTEGRATION_ALLOW_MISSING"] !== "1") {
    test("all required programs are installed", () => {
      throw new Error(missing);
    });
  }
  return describe.skip;
}

export interface Outcome {
  readonly status: number;
  readonly output: string;
}

/** Runs Terraform in a directory. */
export function terraform(folder: string, ...args: readonly string[]): Outcome {
  mkdirSync(PLUGIN_CACHE, { recursive: true });
  const { status, stdout, stderr } = spawnSync("terraform", [...args], {
    cwd: folder,
    env: ENVIRONMENT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status: status ?? -1, output: `${stdout}${stderr}` };
}

/** Runs Terraform and throws with its output unless it succeeds. */
export function succeed(folder: string, ...args: readonly string[]): string {
  const { status, output } = terraform(folder, ...args);
  if (status !== 0) throw new Error(`terraform ${args.join(" ")} ended with ${status}\n${output}`);
  return output;
}

/** Creates a directory that is removed after the suite. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "cedana-cdk-integration-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Returns the names of the examples with Terraform stacks. */
export function terraformExamples(): string[] {
  return readdirSync(join(ROOT, "examples"))
    .filter((name) => existsSync(join(ROOT, "examples", name, "main.ts")))
    .filter((name) => readFileSync(join(ROOT, "examples", name, "main.ts"), "utf8").includes('from "cdktf"'))
    .toSorted();
}

/**
 * Runs a built example in a directory.
 * @returns the directories of its stacks
 */
export function runExample(
  name: string,
  folder: string,
  { nodeOptions = [], env = {} }: { nodeOptions?: readonly string[]; env?: Record<string, string> } = {},
): string[] {
  mkdirSync(folder, { recursive: true });
  const program = join(ROOT, "dist/examples", name, "main.js");
  const { status, stderr } = spawnSync(process.execPath, [...nodeOptions, program], {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`node ${program} ended with ${status}\n${stderr}`);
  const stacks = join(folder, "cdktf.out/stacks");
  return readdirSync(stacks)
    .toSorted()
    .map((stack) => join(stacks, stack));
}
