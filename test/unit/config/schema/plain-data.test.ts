import { checkPlatform } from "../../../../config/platform";
import { formatProblem, printable } from "../../../../config/schema";

const existingCluster = { name: "training", version: "1.35", region: "eu-west-1" };

function problems(value: unknown): string[] {
  const containerd = { baseRuntimeSpec: { process: { value } } };
  const group = { name: "a", instanceTypes: ["m7i.large"], scaling: { min: 1, max: 1 }, containerd };
  return checkPlatform({ version: 1, existingCluster, nodeGroups: [group] }).problems.map(formatProblem);
}

const PATH = "nodeGroups[0].containerd.baseRuntimeSpec.process.value";
const circular: { inner: unknown[] } = { inner: [] };
circular.inner.push(circular);

test.each<[string, unknown, string]>([
  ["NaN", Number.NaN, `${PATH}  is not a finite number; given: NaN`],
  ["infinity", [1, -Infinity], `${PATH}[1]  is not a finite number; given: -Infinity`],
  ["a BigInt", { a: 1n }, `${PATH}.a  is not data; given: 1n`],
  ["an absent item of a list", [1, undefined], `${PATH}[1]  is not data; given: nothing`],
  ["a Map", new Map(), `${PATH}  is not data; given: a Map`],
  ["a Set", new Set([1]), `${PATH}  is not data; given: a Set`],
  ["a Date", new Date(0), `${PATH}  is not data; given: a Date`],
  ["bytes", Buffer.from("x"), `${PATH}  is not data; given: a Buffer`],
  ["a function", () => 1, `${PATH}  is not data; given: a function`],
  ["a circular value", circular, `${PATH}.inner[0]  contains itself; given: a circular value`],
  ["NUL", "a\0b", `${PATH}  contains a character that files cannot hold; given: "a\\u0000b"`],
  [
    "half a surrogate pair",
    "\uD83D",
    `${PATH}  contains a character that files cannot hold; given: "\\ud83d"`,
  ],
  ["NUL in a key", { "\0": 1 }, `${PATH}["\\u0000"]  contains a character that files cannot hold`],
])("rejects %s in a free-form value once", (_, value, expected) => {
  const [problem = "", ...rest] = problems(value);
  expect(rest).toEqual([]);
  expect(problem.slice(0, expected.length)).toBe(expected);
});

test("accepts plain data, absent properties, repeated objects and objects that a framework resolves", () => {
  const shared = { a: 1 };
  const resolvable = { resolve: () => 1, self: undefined as unknown };
  resolvable.self = resolvable;
  expect(
    problems([shared, shared, "😀", true, null, { a: undefined }, -1.5, Object.create(null), resolvable]),
  ).toEqual([]);
});

test("reports a number that is not finite once, where the schema requires another type", () => {
  const group = { name: "a", instanceTypes: ["m7i.large"], scaling: { min: Number.NaN, max: 1 } };
  const found = checkPlatform({ version: 1, existingCluster, nodeGroups: [group] }).problems.map(
    formatProblem,
  );
  expect(found).toEqual(["nodeGroups[0].scaling.min  is not a finite number; given: NaN; allowed: a number"]);
});

test.each<[string, unknown, string]>([
  ["a BigInt", 1n, "1n"],
  ["a list with a BigInt", [1n], '["1n"]'],
  ["a circular value", circular, "a circular value"],
  ["a symbol", Symbol("x"), "a symbol"],
  ["an object whose toJSON throws", { toJSON: () => JSON.parse("{") as unknown }, "an object"],
  ["nothing", undefined, "nothing"],
])("prints %s", (_, value, text) => {
  expect(printable(value)).toBe(text);
});
