/** Hover texts and errors of the built package in TypeScript's language service, as editors use it. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inputs } from "../support/inputs";
import { ROOT } from "../support/sources";
import { scratch } from "./support/terraform";

/** The newest version with the language service in JavaScript that editors ship. */
const TYPESCRIPT = "5.9.3";

interface Editor {
  readonly problems: Readonly<Record<string, readonly string[]>>;
  readonly hovers: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bare: readonly string[];
  readonly count: number;
}

const PROGRAM = `
import { NodeGroup } from "cedana-cdk/aws/node-group";
import { CheckpointStore } from "cedana-cdk/aws/checkpoint-store";
import type { PlatformSpec } from "cedana-cdk/platform";
import { PlatformStack } from "cedana-cdk/stacks/aws";
import { CedanaChart } from "cedana-cdk/stacks/kubernetes";

declare const scope: never;
declare const cluster: never;

new NodeGroup(scope, "nodes", {
  cluster,
  /*groupName*/name: "a",
  instanceTypes: ["m7i.large"],
  scaling: { min: 1, /*max*/max: 2 },
  /*ami*/ami: { id: "ami-0a1b2c3d", /*kernel*/kernel: "6.12", cgroup: "v2", containerd: "2.2" },
  /*capacityType*/capacityType: "SPOT",
  /*groupVersion*/version: "1.34",
  rootVolume: { /*sizeGiB*/sizeGiB: 200 },
  kubelet: { config: { /*maxPods*/maxPods: 50 } },
});
new CheckpointStore(scope, "store", { owner: "demo", region: "eu-west-1", /*kmsKeyArn*/kmsKeyArn: "" });
new PlatformStack(scope, "platform", { /*storage*/storage: { existingBucket: "a" } });
new CedanaChart(scope, "cedana", {
  engine: { kind: "cedana", /*clusterId*/clusterId: "", url: "" },
  install: { checkpoints: { /*timeoutSeconds*/timeoutSeconds: 60 }, kueue: { /*localQueues*/localQueues: [] } },
});
export const spec: PlatformSpec = { version: 1, network: { /*vpcId*/vpcId: "vpc-1", privateSubnetIds: [] } };
`;

/** Properties that are in none of the alternatives, or in another one. */
const WRONG = `
import type { PlatformSpec } from "cedana-cdk/platform";
export const spec: PlatformSpec = { version: 1, network: { vpcId: "vpc-1", privateSubnets: [] } };
export const engine: PlatformSpec["engine"] = { kind: "cedana", url: "", clusterId: "", image: { repository: "a" } };
`;

/** Returns a program that compiles if each declared input is the type that its schema infers. */
function types(): string {
  const listed = inputs();
  const imports = listed.map(
    ({ name, schema, module }) => `import { type ${name}, ${schema} } from "./dist/${module}.js";`,
  );
  const checks = listed.map(
    ({ name, schema }) =>
      `export const ${name}Is: Same<Deep<${name}>, Deep<v.InferInput<typeof ${schema}>>> = true;`,
  );
  return `import type * as v from "valibot";
${imports.join("\n")}
type Deep<T> = T extends object ? { [K in keyof T]: Deep<T[K]> } : T;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
${checks.join("\n")}
// @ts-expect-error: a type that lacks a property is another one.
export const differs: Same<Deep<Omit<ClusterSpec, "addons">>, Deep<ClusterSpec>> = true;
`;
}

/** Returns every specifier that users may import, except the kinds of the API, which are no inputs. */
function entries(): string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  return Object.entries(manifest.exports).flatMap(([name, entry]) => {
    if (!entry.endsWith(".js") || name === "./api") return [];
    if (!name.includes("*")) return [`cedana-cdk${name.slice(1)}`];
    const [folder = ""] = entry.split("/*");
    return readdirSync(join(ROOT, folder), { withFileTypes: true })
      .filter((found) => existsSync(join(ROOT, entry.replace("*", found.name))))
      .map((found) => `cedana-cdk${name.slice(1).replace("*", found.name)}`);
  });
}

const folder = scratch();
let editor: Editor;

beforeAll(() => {
  const install = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder];
  execFileSync("npm", [...install, `typescript@${TYPESCRIPT}`]);
  const request = {
    typescript: join(folder, "node_modules/typescript"),
    root: ROOT,
    files: { "esm.mts": PROGRAM, "commonjs.cts": PROGRAM, "types.mts": types(), "wrong.mts": WRONG },
    entries: entries(),
  };
  const output = execFileSync(process.execPath, [join(__dirname, "support/editor.cjs")], {
    input: JSON.stringify(request),
    encoding: "utf8",
    maxBuffer: 64 * 1024 ** 2,
  });
  editor = JSON.parse(output) as Editor;
});

test("shows description, allowed values and default of a property on hover", () => {
  const text = (pattern: RegExp) => expect.stringMatching(pattern) as string;
  expect(editor.hovers["esm.mts"]).toEqual({
    groupName: text(/^Name of the group, .*\n\nAllowed: up to 36 letters/),
    max: text(/^Maximum number of nodes\..*\n\nAllowed: 1 to 450\.$/),
    ami: text(/^Image .*\n\nOne of: a pinned release; a custom AMI\.\n@default - the newest release/),
    kernel: text(/^Kernel version .*\n\nAllowed: [^@]*$/),
    capacityType: text(/^Purchase option .*\n@default "ON_DEMAND"$/),
    groupVersion: text(/^Kubernetes minor .*\n\nAllowed: .*\n@default - the cluster's version$/),
    sizeGiB: text(/^Size in GiB\..*\n\nAllowed: 20 to 65536\.\n@default 100$/),
    maxPods: text(/^Maximum number of pods .*\n\nAllowed: 1 to 737\.\n@default - that of the AMI/),
    kmsKeyArn: text(/^KMS key .*\n\nAllowed: `arn:<partition>:\S+`\.\n@default - a new key/),
    storage: text(/^S3 bucket .*\n\nOne of: a new bucket; an existing bucket\.\n@default - no bucket$/),
    clusterId: text(/^Id of the cluster .*\n\nAllowed: [^@]*$/),
    timeoutSeconds: text(/^Seconds .*\n\nAllowed: 1 to 86400\.\n@default 600$/),
    localQueues: text(/^LocalQueues, /),
    vpcId: text(/^VPC .*\n\nAllowed: vpc-/),
  });
});

test("shows the same in a CommonJS program and in an ES module", () => {
  expect(editor.problems).toMatchObject({ "esm.mts": [], "commonjs.cts": [] });
  expect(editor.hovers["commonjs.cts"]).toEqual(editor.hovers["esm.mts"]);
});

test("shows a description for every property of every input, and a default if it is optional", () => {
  expect(editor.count).toBeGreaterThan(500);
  expect(editor.bare).toEqual([]);
});

test("declares the types that the schemas infer", () => {
  expect(editor.problems["types.mts"]).toEqual([]);
});

test("reports a property that is in none of the alternatives, or in another one", () => {
  expect(editor.problems["wrong.mts"]).toEqual([
    "Object literal may only specify known properties, and 'privateSubnets' does not exist in type 'NewNetworkSpec | ExistingNetworkSpec'.",
    "Object literal may only specify known properties, and 'image' does not exist in type 'CedanaEngineSpec'.",
  ]);
});
