import { Store, isOlder, keyOf, metadataOf, type Change } from "../../../../kube/runtime";

interface Pod {
  readonly metadata: { name: string; namespace?: string; uid: string; resourceVersion: string };
  readonly nodes: readonly string[];
}
const pod = (name: string, version: number, nodes: readonly string[] = [], uid = `${name}-uid`): Pod => ({
  metadata: { name, namespace: "a", uid, resourceVersion: String(version) },
  nodes,
});

let store: Store<Pod>;
let changes: Change<Pod>[];
beforeEach(() => {
  store = new Store<Pod>({ node: ({ nodes }) => nodes });
  changes = [];
  store.onChange((change) => changes.push(change));
});
const found = (node: string) => store.byIndex("node", node).map(({ metadata }) => metadata.name);

test("objects come, change and go; handlers see the store as it then is", () => {
  const sizes: number[] = [];
  store.onChange(() => sizes.push(store.size));
  const [first, second] = [pod("p", 1), pod("p", 2)];
  store.set(first);
  store.set(second);
  expect([store.get("a/p"), store.list(), store.size]).toEqual([second, [second], 1]);
  store.delete("a/p");
  store.delete("a/p");
  expect(store.get("a/p")).toBeUndefined();
  expect(changes).toEqual([
    { key: "a/p", new: first },
    { key: "a/p", old: first, new: second },
    { key: "a/p", old: second },
  ]);
  expect(sizes).toEqual([1, 1, 0]);
});

test("the same version is no change", () => {
  store.set(pod("p", 1));
  store.set(pod("p", 1));
  expect(changes).toHaveLength(1);
});

test("an object made anew under its name is a deletion and a creation", () => {
  const [first, second] = [pod("p", 1, ["n1"]), pod("p", 5, ["n2"], "other")];
  store.set(first);
  store.set(second);
  expect(changes.slice(1)).toEqual([
    { key: "a/p", old: first },
    { key: "a/p", new: second },
  ]);
  expect([found("n1"), found("n2")]).toEqual([[], ["p"]]);
});

test("indexes follow", () => {
  store.set(pod("p", 1, ["n1", "n2"]));
  store.set(pod("q", 1, ["n1"]));
  expect([found("n1"), found("n2"), found("n3")]).toEqual([["p", "q"], ["p"], []]);
  store.set(pod("p", 2, ["n3"]));
  expect([found("n1"), found("n2"), found("n3")]).toEqual([["q"], [], ["p"]]);
  store.delete("a/p");
  expect(found("n3")).toEqual([]);
  expect(() => store.byIndex("nodes", "n1")).toThrow("no index nodes: the store has node");
});

test("a handler that throws keeps no other from being told, and nothing from being stored", () => {
  const told: string[] = [];
  store = new Store<Pod>();
  store.onChange(() => {
    throw new Error("first");
  });
  store.onChange(({ key }) => told.push(key));
  expect(() => store.set(pod("p", 1))).toThrow("first");
  expect(() => store.set(pod("p", 2, [], "other"))).toThrow("first");
  expect([told, store.get("a/p")?.metadata.uid]).toEqual([["a/p", "a/p", "a/p"], "other"]);
});

test("keys, metadata, versions", () => {
  expect([keyOf({ metadata: { name: "n" } }), keyOf(pod("p", 1))]).toEqual(["n", "a/p"]);
  const metadata = { name: "n", uid: "u", resourceVersion: "1", labels: { a: "b" } };
  expect(metadataOf({ metadata })).toEqual({ name: "n", uid: "u", resourceVersion: "1" });
  expect(() => metadataOf({ metadata: { name: "n" } })).toThrow('given {"metadata":{"name":"n"}}');
  const older = [
    ["9", "10"],
    ["10", "11"],
    ["9007199254740993", "9007199254740994"],
  ] as const;
  expect(older.every(([a, b]) => isOlder(a, b) && !isOlder(b, a) && !isOlder(a, a))).toBe(true);
  expect([isOlder("x", "1"), isOlder("1", "x"), isOlder("", "1"), isOlder("01", "2")]).toEqual(
    Array(4).fill(false),
  );
});
