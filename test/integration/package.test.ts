/** Packs a checkout with an incomplete build, and installs the package into projects that are type-checked and run. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ROOT, files } from "../support/sources";
import { scratch } from "./support/terraform";

const folder = scratch();
const checkout = join(folder, "checkout");
/** Ignored by git. */
const GENERATED = ["node_modules", ".git", "dist", "out", "cdktf.out"];
/** What a user of the constructs installs in addition to the package. */
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

const OTHER_FILES = ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "dist/cedana.schema.json"];
const PROGRAMS = ["cedana-cdk.js", "aws.js", "kubernetes.js", "THIRD-PARTY-NOTICES.txt"];

/** Returns the built files of every source of the library. */
function library(): string[] {
  const { include, exclude } = JSON.parse(readFileSync(join(ROOT, "tsconfig.build.json"), "utf8")) as {
    readonly include: readonly string[];
    readonly exclude: readonly string[];
  };
  return include
    .filter((area) => area !== "examples")
    .flatMap((area) => files(area, /\.ts$/))
    .filter((path) => !exclude.includes(path))
    .flatMap((path) => [".js", ".d.ts"].map((extension) => `dist/${path.replace(/\.ts$/, extension)}`));
}

function pack() {
  return spawnSync("npm", ["run", "--silent", "pack", "--", "--silent", "--pack-destination", folder], {
    cwd: checkout,
    encoding: "utf8",
  });
}

const packages = () => readdirSync(folder).filter((name) => name.endsWith(".tgz"));

let tarball: string;
beforeAll(() => {
  cpSync(ROOT, checkout, { recursive: true, filter: (path) => !GENERATED.includes(basename(path)) });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
});

describe("npm run pack", () => {
  test("fails without a package when the build fails", () => {
    const file = join(checkout, "stacks/aws/index.ts");
    const source = readFileSync(file, "utf8");
    appendFileSync(file, 'export const broken: number = "text";\n');
    const { status, stdout } = pack();
    writeFileSync(file, source);
    expect(stdout).toContain("stacks/aws/index.ts");
    expect(status).toBe(1);
    expect(packages()).toEqual([]);
  });

  test("packs every entry with its types after a build without types", () => {
    sh(checkout, process.execPath, "tools/build.mjs", "--without-types");
    writeFileSync(join(checkout, "dist/config/stale.js"), "");
    expect(pack()).toMatchObject({ status: 0, stderr: "" });
    expect(packages()).toEqual(["cedana-cdk-0.1.0.tgz"]);
    tarball = join(folder, "cedana-cdk-0.1.0.tgz");
    const packed = sh(folder, "tar", "-tzf", tarball).trim().split("\n");
    const programs = packed.filter((path) => path.startsWith("package/dist/bin/"));
    expect(packed.filter((path) => !programs.includes(path)).toSorted()).toEqual(
      [...OTHER_FILES, ...library()].map((path) => `package/${path}`).toSorted(),
    );
    expect(programs).toEqual(expect.arrayContaining(PROGRAMS.map((name) => `package/dist/bin/${name}`)));
  });

  test("publishes a manifest without what only the checkout needs", () => {
    const manifest = JSON.parse(sh(folder, "tar", "-xzOf", tarball, "package/package.json")) as object;
    expect(manifest).toMatchObject({
      name: "cedana-cdk",
      version: "0.1.0",
      typesVersions: { "*": { "aws/*": ["dist/constructs/aws/*/index.d.ts"], api: ["dist/api/index.d.ts"] } },
    });
    for (const field of ["private", "scripts", "devDependencies", "overrides", "config"])
      expect(manifest).not.toHaveProperty(field);
  });
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
