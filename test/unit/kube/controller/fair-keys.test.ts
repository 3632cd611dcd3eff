import { FairKeys } from "../../../../kube/controller/fair-keys";

function drain(keys: FairKeys): string[] {
  return Array.from({ length: keys.size }, () => keys.shift() ?? "nothing");
}

test("namespaces take turns, and each has its keys in the order in which they were added", () => {
  const keys = new FairKeys();
  for (const key of ["a/1", "a/2", "a/3", "b/1", "node", "a/4", "b/2"]) keys.add(key);
  expect(drain(keys)).toEqual(["a/1", "b/1", "node", "a/2", "b/2", "a/3", "a/4"]);
  expect(keys.shift()).toBeUndefined();
});

test("a key that is added again stays at its place, until it is taken", () => {
  const keys = new FairKeys();
  for (const key of ["a/1", "a/2", "a/1"]) keys.add(key);
  expect([keys.size, keys.shift()]).toEqual([2, "a/1"]);
  keys.add("a/1");
  expect(drain(keys)).toEqual(["a/2", "a/1"]);
});

test("a namespace that comes later waits for one key of each other namespace, however many keys wait", () => {
  const keys = new FairKeys();
  for (let index = 0; index < 10_000; index++) keys.add(`a/${index}`);
  for (let index = 0; index < 5000; index++) keys.shift();
  keys.add("b/1");
  expect([keys.shift(), keys.shift()]).toContain("b/1");
  expect(keys.size).toBe(4999);
});
