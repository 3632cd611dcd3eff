/** The package as npm packs it, installed into new projects: one CommonJS, one of ES modules, both type-checked and run. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../support/sources";
import { scratch } from "./support/terraform";

const folder = scratch();
/** What a user of the constructs installs beside the package. */
const PEERS = ["cdktf", "@cdktf/provider-aws", "cdk8s", "constructs", "typescript", "@types/node"];
const BODY = `
const app = new Cdk8sApp();
const chart = new CedanaChart(app, "cedana", {
  engine: { kind: "cedana", clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10", url: "https://sandbox.cedana.ai" },
});
const objects: unknown[] = chart.toJson();
class Team extends TerraformStack {
  constructor(scope: App, id: string) {
    super(scope, id);
    Cluster.fromAttributes(this, "cluster", { name: "demo", version: "1.35", region: "eu-west-1" });
  }
}
const stack = new Team(new App(), "team");
const { problems } = readPlatform("version: 2");
console.log(JSON.stringify([objects.length > 10, stack.node.id, problems?.length, renderFeatureTable().length > 1000]));
`;
const IMPORTS = `import { App as Cdk8sApp } from "cdk8s";
import { App, TerraformStack } from "cdktf";
import { Cluster } from "cedana-cdk/aws/cluster";
import { renderFeatureTable } from "cedana-cdk/features";
import { readPlatform } from "cedana-cdk/platform";
import { CedanaChart } from "cedana-cdk/stacks/kubernetes";
`;

function sh(cwd: string, command: string, ...args: readonly string[]): string {
  return execFileSync(command, [...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

let tarball: string;
beforeAll(() => {
  sh(ROOT, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "");
});

describe.each([
  ["CommonJS", "commonjs"],
  ["ES modules", "module"],
])("a project of %s", (_, type) => {
  const project = join(folder, type);

  beforeAll(() => {
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "team", version: "1.0.0", type }));
    sh(
      project,
      "npm",
      "install",
      "--silent",
      "--no-audit",
      "--no-fund",
      "--omit=peer",
      "--legacy-peer-deps",
      tarball,
    );
    for (const peer of PEERS) {
      rmSync(join(project, "node_modules", peer), { recursive: true, force: true });
      mkdirSync(dirname(join(project, "node_modules", peer)), { recursive: true });
      symlinkSync(join(ROOT, "node_modules", peer), join(project, "node_modules", peer));
    }
    writeFileSync(join(project, "main.ts"), `${IMPORTS}${BODY}`);
    const compilerOptions = {
      target: "ES2022",
      module: "node20",
      strict: true,
      skipLibCheck: true,
      types: ["node"],
      preserveSymlinks: true,
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
  });

  test("type-checks, compiles and runs", () => {
    sh(project, process.execPath, "node_modules/typescript/bin/tsc", "-p", ".");
    const output = sh(project, process.execPath, "--preserve-symlinks", "main.js");
    expect(output.trim().split("\n").at(-1)).toBe('[true,"team",2,true]');
  });

  test("has the program and the schema", () => {
    expect(sh(project, join(project, "node_modules/.bin/cedana-cdk"), "--version")).toBe("0.1.0\n");
    const script = 'console.log(typeof require("cedana-cdk/cedana.schema.json").properties)';
    writeFileSync(join(project, "schema.cjs"), script);
    expect(sh(project, process.execPath, "schema.cjs")).toBe("object\n");
  });
});
