import { withoutManagedFields } from "../../../../kube/client/managed-fields";
import { checkpointOf } from "../../../../testbed/simulated-install";
import { Random } from "../../../../testbed/random";

/** Returns JSON with the lists of that name emptied. */
function emptied(json: unknown): unknown {
  return JSON.parse(
    JSON.stringify(json, (key, value: unknown) =>
      key === "managedFields" && Array.isArray(value) ? [] : value,
    ),
  );
}

const STRINGS = [
  '"managedFields":[',
  'a "managedFields":[{',
  "\\",
  '\\"',
  "]",
  "[",
  "managedFields",
  "é",
  "",
];

test("empties the list of each object, and keeps everything else", () => {
  const list = { items: [checkpointOf(1), checkpointOf(2)] };
  const text = withoutManagedFields(JSON.stringify(list));
  expect(JSON.parse(text)).toEqual(emptied(list));
  expect(text).not.toContain("f:metadata");
});

test("returns text without them as it is", () => {
  expect(withoutManagedFields('{"a":"managedFields"}')).toBe('{"a":"managedFields"}');
});

test("keeps the meaning of any JSON, also with the name and brackets in strings", () => {
  const random = new Random(7);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random.next() * all.length)] as T;
  const value = (depth: number): unknown => {
    if (depth === 0 || random.next() < 0.3) return pick<unknown>([...STRINGS, 1, null, true]);
    const many = Array.from({ length: Math.floor(random.next() * 4) });
    if (random.next() < 0.4) return many.map(() => value(depth - 1));
    return Object.fromEntries(
      many.map(() => [pick([...STRINGS, "managedFields", "metadata"]), value(depth - 1)]),
    );
  };
  for (let round = 0; round < 500; round++) {
    const json = { metadata: { managedFields: [value(3)] }, more: value(4) };
    expect(JSON.parse(withoutManagedFields(JSON.stringify(json)))).toEqual(emptied(json));
  }
});

test.each([
  '{"managedFields":[',
  '{"managedFields":[{"a":"b',
  '{"managedFields":["\\"',
  '"managedFields":[]]',
])("does not make JSON of %s", (text) => {
  expect(() => void JSON.parse(withoutManagedFields(text))).toThrow(SyntaxError);
});
