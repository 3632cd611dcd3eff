import { engineOf } from "../../../../config/nodes";
import { checkPlatform } from "../../../../config/platform";
import { formatProblem } from "../../../../config/schema/problem";

const ENGINES = {
  kubelet: {
    kind: "kubelet",
    image: { repository: "registry.example.com/agent", tag: "0.1.0" },
    repository: "registry.example.com/checkpoints",
  },
  cedana: {
    kind: "cedana",
    clusterId: "5f0c4a1e-8a52-4c38-9d3a-0d8b1e7f6a90",
    url: "https://sandbox.cedana.ai",
  },
};
const CONTROLLER = { controller: { image: { repository: "registry.example.com/controller", tag: "0.1.0" } } };

function platform(engine: object | undefined, install: object, containerd: string) {
  return checkPlatform({
    version: 1,
    existingCluster: { name: "demo", version: "1.35", region: "eu-west-1" },
    nodeGroups: [
      {
        name: "a",
        instanceTypes: ["m7i.large"],
        scaling: { min: 1, max: 1 },
        ami: { id: "ami-0a1b2c3d4e5f60718", kernel: "6.12", cgroup: "v2", containerd },
      },
    ],
    ...(engine && { engine, install }),
  });
}

const problems = (...args: Parameters<typeof platform>) => platform(...args).problems.map(formatProblem);

test("prepares nodes for the engine of the file, or for criu without one", () => {
  const engines = [
    platform(ENGINES.kubelet, CONTROLLER, "2.2"),
    platform(ENGINES.cedana, {}, "2.2"),
    platform(undefined, {}, "2.2"),
  ].map(({ platform: checked }) => checked && engineOf(checked.nodeGroups[0]!));
  expect(engines).toEqual(["kubelet", "cedana", "criu"]);
});

test("a custom AMI whose containerd cannot restore is rejected for the engine kubelet only", () => {
  const rejected = /nodeGroups\[0\]\.ami\.containerd {2}cannot restore from checkpoint images/;
  expect(problems(ENGINES.kubelet, CONTROLLER, "2.4")).toEqual([expect.stringMatching(rejected)]);
  expect(problems(undefined, {}, "2.4")).toEqual([]);
  expect(problems(ENGINES.cedana, {}, "2.4")).toEqual([]);
});

test("checks nodes for the engine of the file although the engine has problems", () => {
  const { url: _url, ...withoutUrl } = ENGINES.cedana;
  expect(problems({ ...ENGINES.cedana, ulr: "" }, {}, "2.4")).toEqual([
    expect.stringMatching(/^engine\.ulr/),
  ]);
  const { kind: _kind, ...withoutKind } = withoutUrl;
  expect(problems(withoutKind, {}, "2.4").filter((text) => text.startsWith("nodeGroups"))).toEqual([]);
});

test("accepts nodes of any containerd 2 for the engine criu, with its own handler only", () => {
  const engine = { ...ENGINES.kubelet, kind: "criu" };
  expect(problems(engine, CONTROLLER, "2.4")).toEqual([]);
  const withHandler = (runtimeHandler: object) =>
    checkPlatform({
      version: 1,
      existingCluster: { name: "demo", version: "1.35", region: "eu-west-1" },
      nodeGroups: [{ name: "a", instanceTypes: ["m7i.large"], scaling: { min: 1, max: 1 }, runtimeHandler }],
      engine,
      install: CONTROLLER,
    }).problems.map(({ code, path }) => `${code} ${path.join(".")}`);
  const own = { name: "cedana-criu", runtimePath: false, binary: "/usr/local/bin/cedana-runc" };
  expect(withHandler(own)).toEqual([]);
  expect(withHandler({ ...own, binary: "/usr/sbin/runc" })).toEqual([
    "runtime-handler-mismatch nodeGroups.0.runtimeHandler.binary",
  ]);
  expect(withHandler({ ...own, runtimePath: "/usr/local/bin/shim" })).toEqual([
    "runtime-handler-mismatch nodeGroups.0.runtimeHandler.runtimePath",
  ]);
  expect(withHandler({ ...own, name: "other" })).toEqual([
    "runtime-handler-mismatch nodeGroups.0.runtimeHandler",
  ]);
});
