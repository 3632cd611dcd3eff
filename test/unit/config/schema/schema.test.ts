import * as v from "valibot";
import { formatProblem } from "../../../../config/schema/problem";
import { check, described, integer, labelKey, oneOf, region, shape } from "../../../../config/schema";

const schema = shape({
  name: v.string(),
  region: described(v.optional(region, "eu-west-1"), "Where it runs."),
  size: v.optional(integer(1, 9)),
  mode: v.optional(v.picklist(["spot", "onDemand"])),
  labels: v.optional(v.record(labelKey, v.string())),
  list: v.optional(v.array(shape({ a: v.number() }))),
  either: v.optional(oneOf([shape({ initial: v.number() }), shape({ managed: v.number() })])),
});

const lines = (input: unknown) => check(schema, input).problems?.map(formatProblem);

test("returns valid input with its defaults", () => {
  expect(check(schema, { name: "a" })).toEqual({
    value: { name: "a", region: "eu-west-1" },
  });
});

test("reports every problem in one run", () => {
  expect(
    lines({
      nam: "x",
      regio: 1,
      region: "mars",
      size: 10,
      mode: "spto",
      labels: { "a b": "c" },
      list: [{ a: "1" }, 3],
    }),
  ).toMatchInlineSnapshot(`
    [
      "name  is required",
      "region  is not an AWS region that this toolkit supports; given: "mars"; allowed: a region of the partitions aws, aws-cn or aws-us-gov, such as eu-west-1",
      "size  is out of range; given: 10; allowed: 1 to 9",
      "mode  is not one of the allowed values; given: "spto"; allowed: spot, onDemand; did you mean spot?",
      "labels["a b"]  is not a valid key of a label, taint or annotation; given: "a b"; allowed: [prefix/]name: a DNS prefix, then up to 63 letters, digits, -, _ and .",
      "list[0].a  is not a number; given: "1"; allowed: a number",
      "list[1]  is not a mapping; given: 3; allowed: a mapping with a",
      "nam  is not a known property; allowed: name, region, size, mode, labels, list, either; did you mean name?",
      "regio  is not a known property; allowed: name, region, size, mode, labels, list, either; did you mean region?",
    ]
  `);
});

test("accepts values that only Terraform knows in every rule", () => {
  expect(
    lines({
      name: "${TfToken[TOKEN.1]}",
      region: "${TfToken[TOKEN.2]}",
      size: -1.8881545897087626e289,
    }),
  ).toBeUndefined();
});

test("reports problems of the alternative that is closest to the input", () => {
  expect(lines({ name: "a", either: { initail: 1 } })).toMatchInlineSnapshot(`
    [
      "either.initial  is required",
      "either.initail  is not a known property; allowed: initial; did you mean initial?",
    ]
  `);
});

test.each([[[]], ["text"], [null], [undefined], [3]])("rejects %j, which is not a mapping", (input) => {
  expect(lines(input)).toHaveLength(1);
});

test("selects an alternative by one of its keys, whatever else is missing", () => {
  const ami = oneOf([
    shape({ release: v.string() }),
    shape({ id: v.string(), kernel: v.string(), cgroup: v.string() }),
  ]);
  expect(check(shape({ ami }), { ami: { id: "ami-1" } }).problems?.map(formatProblem)).toEqual([
    "ami.kernel  is required",
    "ami.cgroup  is required",
  ]);
});

test("reports lengths of texts and lists with their limits", () => {
  const sized = shape({
    list: v.pipe(v.array(v.string()), v.minLength(1)),
    text: v.pipe(v.string(), v.maxLength(3)),
  });
  expect(check(sized, { list: [], text: "four" }).problems?.map(formatProblem)).toEqual([
    "list  has too few entries; given: []; allowed: at least 1 entry",
    'text  has too many characters; given: "four"; allowed: at most 3 characters',
  ]);
});

test.each([
  [2.5, "size  is not an integer; given: 2.5; allowed: an integer, 1 to 9"],
  [0, "size  is out of range; given: 0; allowed: 1 to 9"],
  ["2", 'size  is not an integer; given: "2"; allowed: an integer'],
])("reports why %j is not an integer in a range", (size, line) => {
  expect(lines({ name: "a", size })).toEqual([line]);
});

test("never repeats a value that looks like a secret", () => {
  const problems = lines({ name: "a", mode: "AKIAIOSFODNN7EXAMPLE", region: "https://u:hunter22@host/" });
  expect(problems).toHaveLength(2);
  expect(problems?.join()).not.toMatch(/AKIA|hunter22/);
});

test("shows numbers that JSON cannot represent", () => {
  expect(lines({ name: "a", size: Infinity })?.[0]).toContain("given: Infinity");
});

test("reports two hundred of a thousand unknown keys", () => {
  const input = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`key${index}`, 1]));
  expect(lines({ name: "a", ...input })).toHaveLength(200);
});
