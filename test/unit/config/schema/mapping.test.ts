import type * as v from "valibot";
import { platformSchema } from "../../../../config/platform";
import { formatProblem } from "../../../../config/schema/problem";
import { check } from "../../../../config/schema";

type Node = v.GenericSchema & {
  readonly entries?: Readonly<Record<string, Node>>;
  readonly options?: readonly Node[];
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly value?: Node;
  readonly pipe?: readonly Node[];
};

/** Returns every schema of a mapping with free keys, by its path. */
function mappings(node: Node, path: string): (readonly [string, Node])[] {
  const { entries = {}, options = [], wrapped, item, value, pipe = [] } = node;
  const [base, ...actions] = pipe;
  const children = [
    ...options,
    wrapped,
    item,
    value,
    ...actions.filter((one) => (one.kind as string) === "schema"),
  ];
  return [
    ...(node.type === "record" ? [[path, base ?? node] as const] : []),
    ...Object.entries(entries).flatMap(([key, child]) => mappings(child, `${path}.${key}`)),
    ...children.flatMap((child) => (child ? mappings(child, path) : [])),
  ];
}

const all = mappings(platformSchema as unknown as Node, "");

test("finds the mappings with free keys of cedana.yaml", () => {
  const paths = all.map(([path]) => path);
  for (const path of [
    ".cluster.addons",
    ".cluster.addons.configuration",
    ".nodeGroups.labels",
    ".nodeGroups.tags",
    ".nodeGroups.sysctls",
    ".nodeGroups.containerd.baseRuntimeSpec",
    ".terraform.tags",
    ".install.controller.env",
    ".karpenter.nodePools.limits",
  ])
    expect(paths).toContain(path);
});

test.each(all)("rejects a list for the mapping %s", (_, schema) => {
  for (const list of [[], ["a"]]) {
    const problems = check(schema, list).problems?.map(formatProblem) ?? [];
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^\(root\) {2}is not a mapping; given: \[.*\]; allowed: a mapping$/);
  }
});
