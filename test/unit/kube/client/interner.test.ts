import { Interner, type Json } from "../../../../kube";

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

test("returns JSON that is equal to what it was given", () => {
  const given = { a: "text", b: [1, null, true, { c: "text", d: "x".repeat(1000) }], e: {}, f: "" };
  const before = copy(given);
  const interner = new Interner();
  expect(interner.strings(given)).toEqual(before);
  expect(interner.value(given)).toEqual(before);
  expect(given).toEqual(before);
});

test("returns equal values as one, and different ones as given", () => {
  const interner = new Interner();
  const owner = { kind: "StatefulSet", name: "web" };
  const first = interner.value(copy(owner));
  expect(interner.value(copy(owner))).toBe(first);
  expect(interner.value({ ...owner, name: "api" })).toEqual({ ...owner, name: "api" });
  expect(interner.value(`{"kind":"StatefulSet","name":"web"}`)).toBe(`{"kind":"StatefulSet","name":"web"}`);
  expect(interner.value("")).toBe("");
});

test.each([
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, { b: 1 }],
  [{ a: 1 }, { a: 1, b: 1 }],
  [{ a: 1, b: 1 }, { a: 1 }],
  [[], {}],
  [["a"], { 0: "a" }],
  [
    ["a", "b"],
    ["ab", ""],
  ],
  [{ a: null }, { a: {} }],
  [{ a: "1" }, { a: 1 }],
  ["abcdefghijklmnop", "abcdeXghijklmnop"],
])("does not take %j for %j", (one: Json, other: Json) => {
  const interner = new Interner();
  interner.value(copy(one));
  expect(interner.value(copy(other))).toEqual(other);
});

test("keeps what is used, and drops what was not used for a long time", () => {
  const interner = new Interner();
  const used = interner.value({ used: true });
  expect(interner.value({ used: true })).toBe(used);
  const unused = interner.value({ used: false });
  for (let round = 0; round < 10; round++) {
    for (let index = 0; index < 10_000; index++) interner.text(`text ${round} ${index}`);
    expect(interner.value({ used: true })).toBe(used);
  }
  expect(interner.value({ used: false })).not.toBe(unused);
});
