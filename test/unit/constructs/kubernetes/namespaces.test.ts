import { InvalidInputError } from "../../../../config/schema/problem";
import { synth } from "./support";

test.each(["default", "kube-system"])("does not create the namespace %s", (namespace) => {
  expect(() => synth({ namespace })).toThrow(InvalidInputError);
  expect(() => synth({ agentNamespace: namespace })).toThrow(/agentNamespace {2}is a system namespace/);
  expect(synth({ namespace, createNamespace: false }).some(({ kind }) => kind === "Namespace")).toBe(false);
});
