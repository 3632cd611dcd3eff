/**
 * The command `checkpoint-image` builds images from the kubelet's archives, and processes resume from them in other pods. Only
 * on the node in namespaces, whose files and network this machine can access.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../support/sources";
import { run } from "../../testbed/node/run";
import { counting, Counts } from "../../testbed/node/counting";
import { NODE, openTestbed, type Pod, type Testbed } from "../../testbed/node/testbed";

let testbed: Testbed;
let counts: Counts;
let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checkpoint-image-"));
  program = join(folder, "cedana-cdk.js");
  const bundle = ["bin/cedana-cdk.ts", "--bundle", "--platform=node", "--format=cjs", `--outfile=${program}`];
  run(join(ROOT, "node_modules/.bin/esbuild"), [...bundle, "--log-level=error"], { cwd: ROOT });
  testbed = openTestbed();
  counts = new Counts(testbed);
  removePods();
});
afterEach(removePods);
afterAll(() => {
  testbed.close();
  rmSync(folder, { recursive: true, force: true });
});

function removePods() {
  testbed.kubectl(["delete", "pods", "--all", "--grace-period=1", "--wait=true"]);
}

/** Runs the command in the node's network, where its registry is localhost:5000. */
const image = (archive: string, name: string, ...options: string[]) =>
  run("nsenter", [
    "--net=/run/netns/testbed",
    process.execPath,
    program,
    "checkpoint-image",
    archive,
    `localhost:5000/${name}`,
    ...options,
  ]);

/** Checkpoints a container of the kubelet; returns the archive's path on this machine. */
function checkpoint(pod: string, container: string): string {
  const path = `/api/v1/nodes/${NODE.name}/proxy/checkpoint/default/${pod}/${container}`;
  const { items } = JSON.parse(testbed.kubectl(["create", "--raw", path, "-f", "/dev/null"])) as {
    items: string[];
  };
  return items[0]!.replace("/var/lib/kubelet", join(testbed.folder, "node/kubelet"));
}

test("a process resumes in the pod of the command's output", async () => {
  const volumes = { volumes: [{ name: "scratch", emptyDir: {} }] };
  const volumeMounts = [{ name: "scratch", mountPath: "/scratch" }];
  const containers = [{ ...counting("count", 16), volumeMounts }];
  testbed.runPod({ metadata: { name: "web" }, spec: { containers, ...volumes } });
  const before = await counts.reach("web", "count", 3);
  const archive = checkpoint("web", "count");
  testbed.kubectl(["delete", "pod", "web"]);
  const output = image(archive, "checkpoints/web:1");
  expect(output).toContain("emptyDir scratch at /scratch");
  const pod = parse(output.slice(output.indexOf("apiVersion:"))) as Pod;
  testbed.runPod(pod);
  expect(pod.metadata.name).toBe("web-restored");
  const after = await counts.reach("web-restored", "count", before.count + 3);
  expect(after.token).toBe(before.token);
  expect(image(archive, "checkpoints/web:2")).toContain(/image: .*(@sha256:\w{64})/.exec(output)![1]);
});

test("two containers of a pod resume, each from its own checkpoint", async () => {
  const names = ["one", "two"];
  testbed.runPod({
    metadata: { name: "pair" },
    spec: { containers: names.map((name) => counting(name, 16)) },
  });
  const before = await Promise.all(names.map((name) => counts.reach("pair", name, 3)));
  const archives = names.map((name) => checkpoint("pair", name));
  testbed.kubectl(["delete", "pod", "pair"]);
  const images = archives.map((archive, index) => {
    const output = image(archive, `checkpoints/pair-${names[index]}:1`, "--output", "json");
    return JSON.parse(output) as { image: string; metadata: { containerName: string; frozenMs: number } };
  });
  expect(images.map(({ metadata }) => metadata.containerName)).toEqual(names);
  expect(images.every(({ metadata }) => metadata.frozenMs > 0)).toBe(true);
  testbed.runPod({
    metadata: { name: "pair-restored" },
    spec: { containers: images.map((each, index) => ({ name: names[index], image: each.image })) },
  });
  for (const [index, name] of names.entries()) {
    const after = await counts.reach("pair-restored", name, before[index]!.count + 3);
    expect(after.token).toBe(before[index]!.token);
  }
});

test("a process with 256 MB of memory resumes", async () => {
  testbed.runPod({ metadata: { name: "big" }, spec: { containers: [counting("count", 256)] } });
  const before = await counts.reach("big", "count", 3);
  const archive = checkpoint("big", "count");
  testbed.kubectl(["delete", "pod", "big"]);
  const pushed = JSON.parse(image(archive, "checkpoints/big:1", "--output", "json")) as {
    image: string;
    size: number;
  };
  expect(pushed.size).toBeGreaterThan(256 * 2 ** 20);
  testbed.runPod({
    metadata: { name: "big-restored" },
    spec: { containers: [{ name: "count", image: pushed.image }] },
  });
  expect((await counts.reach("big-restored", "count", before.count + 3)).token).toBe(before.token);
});

test("invalid archives and references exit with 2 and a message", () => {
  const errorOf = (name: string, file: string) => {
    try {
      image(file, name);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(errorOf("x:1", "/dev/null")).toMatch(/ended with 2:\n\/dev\/null: is not a file/);
  expect(errorOf("x:1", "/nowhere.tar")).toMatch(/ended with 2:\n\/nowhere.tar: cannot be read \(ENOENT\)/);
  expect(errorOf("X:1", "/dev/null")).toMatch(/ended with 2:\nimage reference/);
});
