import { Store, isOlder, keyOf, metadataOf, type Change, type Index } from "../../../../kube";

interface Pod {
  readonly metadata: { name: string; namespace?: string; uid: string; resourceVersion: string };
  readonly nodes: readonly string[];
}
const pod = (name: string, version: number, nodes: readonly string[] = [], uid = `${name}-uid`): Pod => ({
  metadata: { name, namespace: "a", uid, resourceVersion: String(version) },
  nodes,
});

let store: Store<Pod>;
let onNode: Index<Pod>;
let changes: Change<Pod>[];
beforeEach(() => {
  store = new Store<Pod>();
  onNode = store.index(({ nodes }) => nodes);
  changes = [];
  store.onChange((change) => changes.push(change));
});
const found = (node: string) => onNode(node).map(({ metadata }) => metadata.name);

test("reports each create, update and delete after it is stored", () => {
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

test("does not report the same version again", () => {
  store.set(pod("p", 1));
  store.set(pod("p", 1));
  expect(changes).toHaveLength(1);
});

test("reports an object created again under its name as a deletion and a creation", () => {
  const [first, second] = [pod("p", 1, ["n1"]), pod("p", 5, ["n2"], "other")];
  store.set(first);
  store.set(second);
  expect(changes.slice(1)).toEqual([
    { key: "a/p", old: first },
    { key: "a/p", new: second },
  ]);
  expect([found("n1"), found("n2")]).toEqual([[], ["p"]]);
});

test("updates indexes", () => {
  store.set(pod("p", 1, ["n1", "n2"]));
  store.set(pod("q", 1, ["n1"]));
  expect([found("n1"), found("n2"), found("n3")]).toEqual([["p", "q"], ["p"], []]);
  store.set(pod("p", 2, ["n3"]));
  expect([found("n1"), found("n2"), found("n3")]).toEqual([["q"], [], ["p"]]);
  store.delete("a/p");
  expect(found("n3")).toEqual([]);
  store.set(pod("p", 3, ["n1"]));
  expect(store.index(({ metadata }) => [metadata.name])("p")).toEqual([store.get("a/p")]);
});

test("an index has an object once, also if it has a value twice", () => {
  store.set(pod("p", 1, ["n1", "n1"]));
  expect(found("n1")).toEqual(["p"]);
  store.set(pod("q", 1, ["n1", "n1"]));
  expect(found("n1")).toEqual(["p", "q"]);
  store.delete("a/p");
  expect(found("n1")).toEqual(["q"]);
  store.delete("a/q");
  expect(found("n1")).toEqual([]);
});

test("stores the object and calls the other handlers when a handler throws", () => {
  const called: string[] = [];
  store = new Store<Pod>();
  store.onChange(() => {
    throw new Error("first");
  });
  store.onChange(({ key }) => called.push(key));
  expect(() => store.set(pod("p", 1))).toThrow("first");
  expect(() => store.set(pod("p", 2, [], "other"))).toThrow("first");
  expect([called, store.get("a/p")?.metadata.uid]).toEqual([["a/p", "a/p", "a/p"], "other"]);
});

test("returns keys and metadata, and compares versions as numbers", () => {
  expect([keyOf({ metadata: { name: "n" } }), keyOf(pod("p", 1))]).toEqual(["n", "a/p"]);
  const metadata = { name: "n", uid: "u", resourceVersion: "1", labels: { a: "b" } };
  expect(metadataOf({ metadata })).toEqual({ name: "n", uid: "u", resourceVersion: "1" });
  expect(() => metadataOf({ metadata: { name: "n" } })).toThrow('is missing: {"metadata":{"name":"n"}}');
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

describe("a response that is ahead of the watch", () => {
  beforeEach(() => {
    store.set(pod("p", 10, ["n1"]));
    store.set(pod("q", 11));
    store.observe(pod("p", 20, ["n2"]));
    changes = [];
  });
  const version = () => store.get("a/p")?.metadata.resourceVersion;

  test("takes precedence over older versions of the watch, also over a deletion", () => {
    store.set(pod("p", 15, ["n3"]));
    store.progress("15");
    store.delete("a/p", "16");
    store.progress("16");
    expect([version(), found("n1"), found("n2"), found("n3"), changes]).toEqual(["20", [], ["p"], [], []]);
  });

  test("is confirmed by the watch, and replaced by later versions", () => {
    store.set(pod("p", 20, ["n2"]));
    store.progress("20");
    expect([version(), changes]).toEqual(["20", []]);
    store.set(pod("p", 21));
    store.observe(pod("p", 20));
    expect([version(), changes.length]).toEqual(["21", 1]);
    store.observe(pod("p", 30));
    store.delete("a/p", "31");
    expect(version()).toBeUndefined();
  });

  test("is dropped when the watch has passed its version without delivering it: etcd was restored", () => {
    store.set(pod("p", 15, ["n3"]));
    store.set(pod("q", 20));
    store.progress("20");
    expect([version(), found("n2"), found("n3")]).toEqual(["15", [], ["p"]]);
    store.observe(pod("p", 40));
    store.delete("a/p", "30");
    store.progress("40");
    expect(store.list().map(({ metadata }) => metadata.name)).toEqual(["q"]);
  });

  test("is dropped when the history starts again at lower versions", () => {
    store.reset();
    store.set(pod("p", 3, ["n1"]));
    expect([version(), found("n1")]).toEqual(["3", ["p"]]);
  });

  test("of an object that is not stored is ignored; of one created again it is a deletion and a creation", () => {
    store.observe(pod("new", 50));
    expect(store.size).toBe(2);
    store.observe(pod("p", 25, ["n4"], "other"));
    expect(changes).toEqual([
      { key: "a/p", old: pod("p", 20, ["n2"]) },
      { key: "a/p", new: pod("p", 25, ["n4"], "other") },
    ]);
    store.delete("a/p", "22");
    store.set(pod("p", 25, ["n4"], "other"));
    expect(store.get("a/p")?.metadata.uid).toBe("other");
  });
});
