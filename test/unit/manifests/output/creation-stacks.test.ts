import { App, Fn, Lazy, TerraformOutput, TerraformStack, Testing } from "cdktf";
import { withoutCreationStacks } from "../../../../manifests/output";

const stack = (): { json: string; creationStack: readonly string[] } => {
  const made = new TerraformStack(new App(), "stack");
  const value = Fn.join(",", ["a", "b"]);
  new TerraformOutput(made, "output", { value });
  return { json: Testing.synth(made), creationStack: Lazy.anyValue({ produce: () => "a" }).creationStack };
};

test("disables cdktf's stack traces only during the call, with the same result", () => {
  const before = stack();
  const during = withoutCreationStacks(stack);
  expect(during.creationStack).toEqual([]);
  expect(during.json).toBe(before.json);
  expect(before.creationStack.length).toBeGreaterThan(0);
  expect(stack().creationStack.length).toBeGreaterThan(0);
});

test("keeps the trace of an error, and enables stack traces again", () => {
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
