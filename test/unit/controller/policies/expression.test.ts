import { readableFields } from "../../../../config/cel";
import { POLICY_POD } from "../../../../controller/policies/objects";
import { MINUTE, World } from "./support";

const fieldsOf = (spec: object) => readableFields({ metadata: { name: "x" }, spec });
const GPU = fieldsOf({ nodeName: "gpu-1", priorityClassName: "batch" });
const CPU = fieldsOf({ nodeName: "cpu-1" });

function worldOf(expression: string): World {
  const world = new World();
  world.policy("p", { filter: { expression }, trigger: { heartbeat: { intervalSeconds: 600 } } });
  return world;
}

test("checkpoints the pods for which the expression is true", () => {
  const world = worldOf("pod.spec.nodeName.startsWith('gpu-')");
  world.pod("a", { fields: GPU });
  world.pod("b", { fields: CPU });
  world.pass(20 * MINUTE);
  expect(new Set(world.starts.map(({ pod }) => pod))).toEqual(new Set(["a"]));
  expect(world.engine.view("p")).toMatchObject({ matchedPods: 1 });
  expect(world.engine.view("p")).not.toHaveProperty("filterErrors");
});

test("a pod for which the expression fails does not match, and the policy has the reason until it is resolved", () => {
  const world = worldOf("pod.spec.priorityClassName == 'batch'");
  world.pod("a", { fields: GPU });
  world.pod("b", { fields: CPU });
  world.pod("c");
  world.pass(MINUTE);
  expect(world.engine.view("p")).toMatchObject({
    matchedPods: 1,
    filterErrors: { count: 2, example: "pod team-a/b: No such key: priorityClassName" },
  });
  world.pod("b", { fields: GPU });
  expect(world.engine.takeChanged()).toContain("p");
  world.engine.removePod("c");
  expect(world.engine.view("p")).toMatchObject({ matchedPods: 2 });
  expect(world.engine.view("p")).not.toHaveProperty("filterErrors");
});

test("an expression that is invalid matches no pod, and is the reason of the policy", () => {
  const world = worldOf("pod.spec.nodName == 'x'");
  world.pod("a", { fields: GPU });
  world.pass(20 * MINUTE);
  expect(world.starts).toEqual([]);
  expect(world.engine.view("p")?.problem).toEqual({
    reason: "InvalidFilter",
    message: "filter.expression is invalid: character 10: No such key: nodName",
  });
});

test("the cache keeps the fields that expressions read, and shares those of a pod template", () => {
  const pod = (name: string) =>
    POLICY_POD.project({
      metadata: { name, namespace: "team-a", uid: name, resourceVersion: "1", labels: { app: "web" } },
      spec: {
        nodeName: "n1",
        containers: [{ name: "main", image: "web:1", env: [{ name: "A", value: "secret" }] }],
      },
      status: { phase: "Running" },
    }).pod;
  const [one, other] = [pod("web-0"), pod("web-1")];
  expect(one.fields).toEqual({
    name: "web-0",
    nodeName: "n1",
    metadata: { namespace: "team-a", labels: { app: "web" } },
    spec: { containers: [{ name: "main", image: "web:1" }] },
    status: { phase: "Running" },
  });
  expect(one.fields?.spec).toBe(other.fields?.spec);
});
