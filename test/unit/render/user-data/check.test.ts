import { checkPlatform } from "../../../../config/platform";
import { formatProblem } from "../../../../config/schema";
import { USER_DATA_MAX_BYTES, checkUserData } from "../../../../render/user-data";

const nodes = { instanceTypes: ["m7i.large"] };
const group = { ...nodes, name: "a", scaling: { min: 1, max: 3 } };
const pool = { ...nodes, name: "a", amiVersion: "v20260714" };
const existingCluster = { name: "training", version: "1.35", region: "eu-west-1" };
const custom = { ami: { id: "ami-0a1b2c3d", kernel: "6.12", cgroup: "v2", containerd: "2.2" } };
const script = [`#!/bin/sh\n${"# padding\n".repeat(2400)}`];
const config = `# ${"padding ".repeat(3000)}\n[metrics]\n`;

function problems(areas: object): string[] {
  return checkPlatform({ version: 1, existingCluster, ...areas }, checkUserData).problems.map(formatProblem);
}

test.each<[string, object, string]>([
  [
    "scripts of a node group",
    { nodeGroups: [group, { ...group, name: "b", preNodeadm: script }] },
    "nodeGroups[1].preNodeadm",
  ],
  [
    "TOML of a node group",
    { nodeGroups: [{ ...group, containerd: { config } }] },
    "nodeGroups[0].containerd.config",
  ],
  [
    "scripts after nodeadm of a custom AMI",
    { nodeGroups: [{ ...group, ...custom, postNodeadm: script }] },
    "nodeGroups[0].postNodeadm",
  ],
  [
    "scripts of a node pool",
    { karpenter: { nodePools: [{ ...pool, preNodeadm: script }] } },
    "karpenter.nodePools[0].preNodeadm",
  ],
  [
    "a runtime spec of a node pool",
    {
      karpenter: {
        nodePools: [{ ...pool, containerd: { baseRuntimeSpec: { hostname: "x".repeat(24_000) } } }],
      },
    },
    "karpenter.nodePools[0].containerd.baseRuntimeSpec",
  ],
])("rejects user data that EC2 would reject: %s", (_, areas, path) => {
  const [problem = "", ...rest] = problems(areas);
  expect(rest).toEqual([]);
  expect(problem.startsWith(`${path}  makes the user data larger than EC2's limit; given: 2`)).toBe(true);
  expect(problem).toContain(`allowed: up to ${USER_DATA_MAX_BYTES} bytes`);
});

test("reports large user data together with the other problems", () => {
  const found = problems({ nodeGroups: [{ ...group, preNodeadm: script }], storage: { bucket: "A" } });
  expect(found).toHaveLength(2);
});

test("accepts user data up to the limit", () => {
  const sized = (length: number) =>
    problems({ nodeGroups: [{ ...group, preNodeadm: [`#!/bin/sh\n${"#".repeat(length)}`] }] });
  expect(sized(8000)).toEqual([]);
  expect(sized(USER_DATA_MAX_BYTES)).toHaveLength(1);
});
