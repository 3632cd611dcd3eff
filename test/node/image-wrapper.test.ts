/** Installation of the OCI runtime wrapper and of the program of the node by the node agent image. */
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openImages, type Images } from "../../testbed/node/images";
import { needs, ROOT, run } from "../../testbed/node/run";
import { runConfined } from "./support/runc";

let images: Images;
let output: string;
let files: string;
let host: string;
let folder: string;

beforeAll(() => {
  needs("go", "runc");
  images = openImages();
  output = join(images.folder, "out");
  images.build(output);
  files = images.container("node-agent:test").files;
});
afterAll(() => images.close());
beforeEach(() => {
  host = join(images.folder, "host");
  rmSync(host, { recursive: true, force: true });
  for (const each of DIRECTORIES) mkdirSync(join(host, each), { recursive: true });
  folder = join(host, "opt/cedana-cdk");
});

const DIRECTORIES = ["opt", "usr/local/bin", "usr/local/sbin"];

/** Runs the entry point of the image in a container without capabilities and with a read-only root. */
const inContainer = (...list: string[]) =>
  runConfined(
    files,
    join(images.folder, "confined"),
    Object.fromEntries(DIRECTORIES.map((each) => [`/host/${each}`, join(host, each)])),
    ["/usr/local/bin/cedana-node-agent", ...list],
  );
const everything = () =>
  run("find", [host, "-mindepth", "1", "-not", "-type", "d"]).trim().split("\n").filter(Boolean);

test("installs the OCI runtime wrapper, which stays as a pass-through after an uninstall", () => {
  const wrapper = join(host, "usr/local/bin/cedana-runc");
  const install = ["install", "/host/opt/cedana-cdk", "--wrapper", "/host/usr/local/bin/cedana-runc"];
  const program = readFileSync(join(files, "usr/local/share/cedana-cdk/criu/bin/cedana-node"));
  expect(inContainer(...install)).toContain("/host/usr/local/bin/cedana-runc was installed");
  expect(readFileSync(wrapper).equals(program)).toBe(true);
  expect(readFileSync(join(folder, "current/bin/cedana-node")).equals(program)).toBe(true);
  // It calls the machine's runc.
  expect(run(wrapper, ["--version"])).toContain("runc version");
  const { ino } = lstatSync(wrapper);
  expect(inContainer(...install)).not.toContain("was installed");
  expect(lstatSync(wrapper).ino).toBe(ino);
  writeFileSync(wrapper, "an older version");
  inContainer(...install);
  expect(readFileSync(wrapper).equals(program)).toBe(true);
  inContainer("uninstall", "/host/opt/cedana-cdk");
  expect(everything()).toEqual([wrapper]);
  expect(run(wrapper, ["--version"])).toContain("runc version");
});

test("installs nothing if another kind of file is in the place of the wrapper", () => {
  const wrapper = "/host/usr/local/bin/cedana-runc";
  symlinkSync("/bin/true", join(host, "usr/local/bin/cedana-runc"));
  expect(() => inContainer("install", "/host/opt/cedana-cdk", "--wrapper", wrapper)).toThrow(
    /is not a regular file; remove it\. Nothing was installed/,
  );
  expect(existsSync(join(folder, "current"))).toBe(false);
});

test("builds the program without a path of this machine, and lists its Go modules with licences", () => {
  const tree = join(files, "usr/local/share/cedana-cdk/criu");
  const program = readFileSync(join(tree, "bin/cedana-node"), "latin1");
  expect(program).toContain("cedana.ai/cdk/runtime");
  for (const path of [ROOT, run("go", ["env", "GOROOT"]).trim(), run("go", ["env", "GOMODCACHE"]).trim()])
    expect(program.includes(`${path}/`)).toBe(false);
  const { packages } = JSON.parse(readFileSync(join(output, "node-agent.spdx.json"), "utf8")) as {
    packages: readonly { name: string; licenseDeclared: string }[];
  };
  const modules = run("go", ["version", "-m", join(tree, "bin/cedana-node")]).matchAll(/^\tdep\t(\S+)/gm);
  for (const name of ["std", ...[...modules].map(([, path]) => path!)]) {
    expect(packages.find((one) => one.name === name)?.licenseDeclared).toMatch(/BSD|Apache|MIT/);
    expect(existsSync(join(tree, "share/licences/go", name))).toBe(true);
  }
});

test("builds no program of the node with --runtime none, and then installs no wrapper", () => {
  const built = images.build(join(images.folder, "none"), "--tag", "none:1", "--runtime", "none");
  expect(built).toContain("note: The image has no host service and no OCI runtime wrapper");
  const without = join(images.container("none:1").files, "usr/local/bin/cedana-node-agent");
  expect(() =>
    run(without, ["install", folder, "--wrapper", join(host, "usr/local/bin/cedana-runc")]),
  ).toThrow(/built without the programs of the node/);
  expect(everything()).toEqual([join(folder, ".lock")]);
});
