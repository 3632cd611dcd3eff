import { immutable, integer, list, object, oneOf, optional, text, type Infer } from "../../../api/schema";

const sample = object("A sample.", {
  name: text("Name.", 63),
  mode: optional(oneOf("Mode.", ["fast", "safe"])),
  ports: optional(list("Ports.", integer("Port.", 1, 65_535), { maxItems: 8, merge: "set" })),
});

test("a schema is structural OpenAPI; fields are required unless they are optional", () => {
  expect(sample).toEqual({
    type: "object",
    description: "A sample.",
    required: ["name"],
    properties: {
      name: { type: "string", description: "Name.", minLength: 1, maxLength: 63 },
      mode: { type: "string", description: "Mode.", enum: ["fast", "safe"] },
      ports: {
        type: "array",
        description: "Ports.",
        maxItems: 8,
        items: { type: "integer", format: "int32", description: "Port.", minimum: 1, maximum: 65_535 },
        "x-kubernetes-list-type": "set",
      },
    },
  });
});

test("the type of the values is inferred from the schema", () => {
  type Sample = Infer<typeof sample>;
  const valid: Sample[] = [{ name: "a" }, { name: "a", mode: "fast", ports: [80] }];
  // @ts-expect-error name is required
  const missing: Sample = {};
  // @ts-expect-error mode has other values
  const invalid: Sample = { name: "a", mode: "slow" };
  // @ts-expect-error the field does not exist
  const unknown: Sample = { name: "a", size: 1 };
  // @ts-expect-error fields are read-only
  const change = (value: Sample) => (value.name = "b");
  expect([valid.length, missing, invalid, unknown, change]).toHaveLength(5);
});

test("a rule of an immutable field also prevents that it is added or removed", () => {
  expect(immutable("Sample", ["mode"])).toEqual([
    {
      rule: "has(self.mode) == has(oldSelf.mode) && (!has(self.mode) || self.mode == oldSelf.mode)",
      message: "mode is immutable: create another Sample instead",
    },
  ]);
});
