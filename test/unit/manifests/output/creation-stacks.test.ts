import { App, Fn, Lazy, TerraformOutput, TerraformStack, Testing } from "cdktf";
import { withoutCreationStacks } from "../../../../manifests/output";

const stack = (): { json: string; creationStack: readonly string[] } => {
  const made = new TerraformStack(new App(), "stack");
  const value = Fn.join(",", ["a", "b"]);
  new TerraformOutput(made, "output", { value });
  return { json: Testing.synth(made), creationStack: Lazy.anyValue({ produce: () => "a" }).creationStack };
};

test("cdktf captures no stacks meanwhile, makes the same, and captures them again afterwards", () => {
  const before = stack();
  const during = withoutCreationStacks(stack);
  expect(during.creationStack).toEqual([]);
  expect(during.json).toBe(before.json);
  expect(before.creationStack.length).toBeGreaterThan(0);
  expect(stack().creationStack.length).toBeGreaterThan(0);
});

test("an error keeps its trace, and ends the measure", () => {
  const before = Object.getOwnPropertyDescriptor(Error, "captureStackTrace");
  const fail = (): never => {
    throw new Error("broken");
  };
  const caught = ((): unknown => {
    try {
      return withoutCreationStacks(fail);
    } catch (error) {
      return error;
    }
  })();
  expect((caught as Error).stack).toContain("at fail");
  expect(Object.getOwnPropertyDescriptor(Error, "captureStackTrace")).toEqual(before);
  const target: { stack?: string } = {};
  withoutCreationStacks(() => Error.captureStackTrace(target));
  expect(target.stack).toContain("at ");
});
