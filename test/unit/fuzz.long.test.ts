/** A short slice of each fuzz target, always from the same seed. `npm run fuzz` runs more: docs/testing.md. */
import { goTargets } from "../fuzz/golang";
import { DEFAULT_RUNS, runSlice } from "../fuzz/slice";
import { attempt, checkPrototypes, must, target, Violation } from "../fuzz/target";
import { TARGETS } from "../fuzz/targets";
import { mutatedJson, mutatedText } from "../fuzz/generate";
import { SEED } from "../../testbed/random";
import type { Json } from "../../http";

test.each(TARGETS.map((one) => [one.name, one] as const))("%s", async (_, one) => {
  const { failure } = await runSlice(one, { seed: SEED, runs: Math.ceil((one.runs ?? DEFAULT_RUNS) / 4) });
  expect(failure).toBeUndefined();
});

test("targets have different names, and those in Go are found", () => {
  const names = [...TARGETS, ...goTargets("runtime")].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name.startsWith("go/")).length).toBeGreaterThan(20);
});

describe("a slice", () => {
  const texts = (check: (text: string) => void) =>
    target({
      name: "t",
      reads: "text",
      inputs: mutatedText(["abc=1;def=2"], ["needle"]),
      check,
      runs: 3_000,
    });

  test("finds an input that fails, makes it small, and repeats it by its path", async () => {
    const broken = texts((text) => must(!text.includes("needle"), "it has the needle"));
    const { failure } = await runSlice(broken, { seed: SEED });
    expect(failure?.error).toContain("it has the needle");
    expect(failure?.input).toMatch(/^"(abc=1;def=2)?.{0,20}needle.{0,20}"$/);
    const { failure: again, executions } = await runSlice(broken, { seed: SEED, path: failure!.path });
    expect(again?.input).toBe(failure?.input);
    expect(executions).toBe(1);
  });

  test("has the same inputs each time", async () => {
    const seen: string[][] = [[], []];
    for (const list of seen)
      await runSlice(
        texts((text) => void list.push(text)),
        { seed: SEED, runs: 50 },
      );
    expect(seen[0]).toEqual(seen[1]);
    expect(new Set(seen[0]).size).toBeGreaterThan(20);
  });

  test("finds a property that was added to a prototype", async () => {
    const merges = (value: Json) => {
      for (const [key, inner] of Object.entries((value ?? {}) as object)) {
        const into = {} as Record<string, Record<string, unknown>>;
        const changed = (into[key] ??= {});
        // Others cannot be written: the prototype of a class, for example.
        if (key === "__proto__" || key === "labels")
          for (const [name, leaf] of Object.entries((inner ?? {}) as object))
            Reflect.set(changed, name, leaf);
      }
    };
    const inputs = mutatedJson([{ labels: { polluted: 1 } }], ["__proto__"]);
    const { failure } = await runSlice(target({ name: "m", reads: "json", inputs, check: merges }), {
      seed: SEED,
    });
    expect(failure?.error).toContain("to a prototype of all objects");
    expect(() => checkPrototypes()).not.toThrow();
  });

  test("takes an error that the reader does not intend for a failure", () => {
    const fail = (error: Error) => () => {
      throw error;
    };
    expect(() => attempt(fail(new TypeError("x")), Error)).toThrow(Violation);
    expect(() => attempt(fail(new RangeError("x")), Error)).toThrow(Violation);
    expect(() => attempt(fail(new Error("")), Error)).toThrow("without a message");
    expect(() => attempt(fail(new Error("y".repeat(1e5))), Error)).toThrow("a message of 100000");
    expect(attempt(fail(new Error("why")), Error).error?.message).toBe("why");
  });
});
