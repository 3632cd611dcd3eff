/** Order of waiting Checkpoints: fairness, and cost in reads of their names and times. */
import { CheckpointScheduler } from "../../../../controller/checkpoints/scheduler";
import { InFlight, Reservations, reservationOf } from "../../../../controller/checkpoints/reservations";
import { WaitingOrder } from "../../../../controller/checkpoints/waiting-order";
import type { CheckpointObject } from "../../../../controller/checkpoints/objects";
import { Store } from "../../../../kube";
import { Random, SEED } from "../../../../testbed/random";

const NOW = Date.parse("2026-11-21T15:00:00Z");

/** The scheduler on a store that the test writes. */
class Scene {
  readonly denied = new Set<string>();
  readonly blocked = new Set<string>();
  /** Reads of the creation time of any Checkpoint. */
  reads = 0;
  private readonly store = new Store<CheckpointObject>();
  private readonly objects = Object.assign(this.store, {
    covers: (namespace: string) => !this.denied.has(namespace),
  });
  private readonly inFlight = new InFlight();
  private readonly reservations = new Reservations(this.objects, this.inFlight, () => 600_000);
  private readonly order = new WaitingOrder(this.objects, (uid) => this.blocked.has(uid));
  private readonly scheduler: CheckpointScheduler;
  private version = 0;

  constructor(maxPerNode: number) {
    this.scheduler = new CheckpointScheduler(this.reservations, this.order, maxPerNode);
  }

  put(namespace: string, name: string, pod: string, second: number, node: string | undefined = "n1"): void {
    const time = new Date(NOW + second * 1000).toISOString();
    const count = () => void this.reads++;
    this.store.set({
      metadata: {
        namespace,
        name,
        uid: `${namespace}-${name}`,
        resourceVersion: String(++this.version),
        generation: 1,
        get creationTimestamp() {
          count();
          return time;
        },
      },
      spec: { podRef: { name: pod } },
      status: node === undefined ? {} : { nodeName: node },
    });
  }

  refresh(key: string): void {
    this.order.refresh(this.of(key));
  }

  of(key: string): CheckpointObject {
    const object = this.store.get(key);
    if (object === undefined) throw new Error(`${key} is missing`);
    return object;
  }

  admits(key: string, node = "n1"): boolean {
    return this.scheduler.admit(this.of(key), node, NOW).admitted;
  }

  /** Starts a Checkpoint, as the reconciler does. @returns the function that ends it, and returns what is next */
  start(key: string, node = "n1"): () => string[] {
    const object = this.of(key);
    const release = this.inFlight.reserve({ ...reservationOf(object), nodeName: node });
    this.order.served(node, object.metadata.namespace);
    return () => {
      this.store.delete(key);
      release();
      return this.next(`${object.metadata.namespace}/${object.spec.podRef.name}`, node);
    };
  }

  next(pod: string, node = "n1"): string[] {
    return this.scheduler
      .next(pod, node, NOW)
      .map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);
  }
}

/** Starts and ends Checkpoints until none waits. @returns their keys in the order of their starts */
function runAll(scene: Scene, first: string): string[] {
  const started: string[] = [];
  for (let next: string | undefined = first; next !== undefined;) {
    expect(scene.admits(next)).toBe(true);
    started.push(next);
    [next] = scene.start(next)();
  }
  return started;
}

test("namespaces take turns on a node, each with its oldest first", () => {
  const scene = new Scene(1);
  for (let index = 0; index < 4; index++) scene.put("a", `c${index}`, `p${index}`, index);
  scene.put("b", "late", "p", 100);
  scene.put("c", "later", "p", 200);
  expect(scene.admits("b/late")).toBe(false);
  expect(runAll(scene, "a/c0")).toEqual(["a/c0", "b/late", "c/later", "a/c1", "a/c2", "a/c3"]);
});

test("a namespace that holds no slot gets the next one", () => {
  const scene = new Scene(2);
  for (let index = 0; index < 4; index++) scene.put("a", `c${index}`, `p${index}`, index);
  const end = scene.start("a/c0");
  scene.start("a/c1");
  scene.put("b", "new", "p", 100, undefined);
  expect([scene.admits("a/c2"), scene.admits("b/new")]).toEqual([false, false]);
  end();
  expect([scene.admits("a/c2"), scene.admits("b/new")]).toEqual([false, true]);
});

test("only the oldest Checkpoint of a pod starts; a blocked one lets the others pass", () => {
  const scene = new Scene(2);
  scene.put("a", "young", "p", 1);
  scene.put("a", "old", "p", 0);
  expect([scene.admits("a/young"), scene.admits("a/old")]).toEqual([false, true]);
  scene.blocked.add("a-old");
  scene.refresh("a/old");
  expect(scene.admits("a/young")).toBe(true);
  scene.blocked.clear();
  scene.refresh("a/old");
  expect(scene.admits("a/young")).toBe(false);
});

test("Checkpoints of a namespace that is denied take no slot", () => {
  const scene = new Scene(1);
  scene.put("a", "old", "p", 0);
  scene.put("b", "new", "p", 1);
  scene.denied.add("a");
  expect(scene.admits("b/new")).toBe(true);
  scene.denied.clear();
  expect(scene.admits("b/new")).toBe(false);
});

test("a change, an admission and an end cost about as much with 10,000 waiting as with 100", () => {
  const costOf = (count: number): number => {
    const scene = new Scene(2);
    const random = new Random(SEED);
    for (let index = 0; index < count; index++)
      scene.put("a", `c${index}`, `p${Math.floor(random.next() * 110)}`, index);
    scene.put("b", "one", "p", count);
    const [, key = ""] = [scene.start(scene.next("a/none")[0] ?? ""), scene.next("a/none")[0]];
    scene.reads = 0;
    const steps = 100;
    for (let step = 0; step < steps; step++) {
      const [next = key] = scene.next("a/none");
      scene.admits(next);
      scene.start(next)();
      scene.put("a", `more${step}`, `p${step}`, count + step);
    }
    return scene.reads / steps;
  };
  const [few, many] = [costOf(100), costOf(10_000)];
  expect(many).toBeLessThan(few + 150);
});
