import { ApiError, type Json } from "../../../../kube/client";
import { ConditionWriter, TaintWriter } from "../../../../controller/readiness/writers";
import { gateKinds, projectNode, type GateNode, type Taint } from "../../../../controller/readiness/rules";
import { clientOn } from "../../../support/controller-runtime";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { seededBelow, SEED, SOAK } from "../../../../testbed/random";
import { eventsInto, NOW, OURS, pod, rawNode, settings, snapshotsOn, AGENTS } from "./support";

/** Schedules, each with its own seed. */
const SCHEDULES = SOAK ? 50_000 : 1000;

const { signal } = new AbortController();
const NO_METRICS = { operation: () => {}, opened: () => {} };
const NODES = "/api/v1/nodes";
const NODE = `${NODES}/n1`;
const SETTINGS = settings();
const EBS: Taint = {
  key: "ebs.csi.aws.com/agent-not-ready",
  effect: "NoExecute",
  timeAdded: "2026-06-01T11:59:00Z",
};
const NOT_READY: Taint = {
  key: "node.kubernetes.io/not-ready",
  effect: "NoExecute",
  timeAdded: "2026-06-01T11:59:30Z",
};
const OWN_GROUP: Taint = { key: "dedicated", value: "gpu", effect: "NoSchedule" };

const taintsOf = (node: Stored | undefined) =>
  (node?.["spec"] as { taints?: Taint[] } | undefined)?.taints ?? [];
const isOurs = ({ key, effect }: Taint) => key === OURS.key && effect === OURS.effect;
const without = (taints: readonly Taint[], removed: Taint) =>
  taints.filter(({ key, effect }) => key !== removed.key || effect !== removed.effect);

/** Returns a node without our taint and condition, and without the counters of the API server. */
function foreignPart(node: Stored | undefined): string {
  if (!node) return "";
  const { metadata, spec, status } = node as Stored & {
    spec: object;
    status: { conditions: { type: string }[] };
  };
  const { resourceVersion: _version, generation: _generation, ...rest } = metadata;
  return JSON.stringify({
    metadata: rest,
    spec: { ...spec, taints: taintsOf(node).filter((taint) => !isOurs(taint)) },
    status: { ...status, conditions: status.conditions.filter(({ type }) => type !== "CedanaReady") },
  });
}

/** Changes of other clients to the taints, each based on the list at the time of the write. */
const WRITERS: Readonly<Record<string, (taints: readonly Taint[]) => readonly Taint[]>> = {
  "EBS removes its own": (taints) => without(taints, EBS),
  "node lifecycle adds": (taints) => [NOT_READY, ...without(taints, NOT_READY)],
  "node lifecycle removes": (taints) => without(taints, NOT_READY),
  "Karpenter adds ours again": (taints) => [...without(taints, OURS), { key: OURS.key, effect: OURS.effect }],
  "EKS adds late": (taints) => [...without(taints, OWN_GROUP), OWN_GROUP],
  "another client sorts": (taints) => taints.toSorted((a, b) => a.key.localeCompare(b.key)),
};
const names = Object.keys(WRITERS);

const KINDS = gateKinds(SETTINGS);

/** The writers of the gate, whose responses are stored. */
function writersOn(api: FakeApi, { snapshots, nodes }: ReturnType<typeof snapshotsOn>) {
  const client = clientOn(api, {
    observe: (_, object) => nodes.observe(object as GateNode),
  });
  return {
    taints: new TaintWriter(client, snapshots, KINDS, SETTINGS, NO_METRICS),
    conditions: new ConditionWriter(client, snapshots, KINDS, eventsInto([])),
  };
}

/** One schedule: our two writers against other clients, on a cache that lags. */
class Schedule {
  readonly api = new FakeApi();
  readonly cache = snapshotsOn(SETTINGS);
  private readonly taints;
  private readonly conditions;
  /** Versions of the node that the cache has not received yet. */
  private readonly behind: GateNode[] = [];
  /** The taints of other clients, as only they change them. */
  private foreign: readonly Taint[];
  /** The node without our fields, as other clients left it. */
  private expected = "";
  readonly wrong: string[] = [];

  constructor(private readonly random: (below: number) => number) {
    ({ taints: this.taints, conditions: this.conditions } = writersOn(this.api, this.cache));
    for (const agent of AGENTS) this.cache.pods.set(pod(agent));
    const taints = [OURS, ...(random(2) ? [EBS] : []), ...(random(2) ? [NOT_READY] : [])];
    this.foreign = taints.slice(1);
    this.api.put(NODES, rawNode({ taints }));
    const node = this.api.get(NODE);
    this.expected = foreignPart(node);
    this.seen(node);
    this.deliver(1);
    this.api.before = () => {
      if (this.faultless) return;
      for (let count = random(3); count > 0; count--) this.other();
      if (random(12) === 0) throw new ApiError([409, 429, 500, 503][random(4)] ?? 500, "fault");
    };
    this.api.after = ({ method, path }) => {
      if (method === "PATCH") this.check(path);
      if (!this.faultless && random(15) === 0) throw new Error("the response was lost");
    };
  }

  faultless = false;

  async act(): Promise<void> {
    const { random } = this;
    const ours = [() => this.taints.write("n1", signal), () => this.conditions.write("n1", signal)];
    const steps = [
      () => this.other(),
      () => this.deliver(1 + random(3)),
      () => ours[0]?.(),
      () => Promise.all(ours.map((write) => write().catch(() => {}))),
    ];
    await Promise.resolve(steps[random(steps.length)]?.()).catch(() => {});
  }

  /** Stops the other clients and lets the cache catch up. @returns the remaining taints and the condition */
  async settle() {
    this.faultless = true;
    for (let round = 0; round < 3; round++) {
      this.deliver(Infinity);
      clock += 10_000;
      await this.taints.write("n1", signal);
      await this.conditions.write("n1", signal);
    }
    const node = this.api.get(NODE);
    return {
      stuck: taintsOf(node).filter(isOurs),
      foreign: taintsOf(node).filter((taint) => !isOurs(taint)),
      expected: this.foreign,
      condition: this.condition(node)?.status,
      wrong: this.wrong,
    };
  }

  private other(): void {
    const write = WRITERS[names[this.random(names.length)] ?? ""];
    if (!write) return;
    const node = this.api.edit(NODE, (node) => {
      const next = write(taintsOf(node));
      const spec = node["spec"] as { taints?: readonly Taint[] };
      if (next.length > 0) spec.taints = next;
      else delete spec.taints;
      node.metadata.labels = { ...node.metadata.labels, writes: String(++writes) };
    });
    this.foreign = write(this.foreign).filter((taint) => !isOurs(taint));
    this.expected = foreignPart(node);
    this.seen(node);
  }

  /** Checks that our write changed only our taint and our condition. */
  private check(path: string): void {
    const node = this.api.get(NODE);
    if (foreignPart(node) !== this.expected) this.wrong.push(`${path} changed something else`);
    this.seen(node);
  }

  private condition(node: Stored | undefined) {
    const status = node?.["status"] as { conditions: { type: string; status: string }[] } | undefined;
    return status?.conditions.find(({ type }) => type === "CedanaReady");
  }

  private seen(node: Stored | undefined): void {
    this.behind.push(projectNode(node as unknown as Json));
  }

  private deliver(count: number): void {
    for (const node of this.behind.splice(0, count)) this.cache.nodes.set(node);
  }
}

const realNow = Date.now;
let clock = NOW;
let writes = 0;
beforeEach(() => {
  clock = NOW;
  Date.now = () => clock;
});
afterEach(() => {
  Date.now = realNow;
});

test(`neither keeps, loses nor restores a taint of any client in ${SCHEDULES} schedules against other writers`, async () => {
  for (let seed = SEED; seed < SEED + SCHEDULES; seed++) {
    const random = seededBelow(seed);
    const schedule = new Schedule(random);
    for (let step = 3 + random(8); step > 0; step--) await schedule.act();
    const { stuck, foreign, expected, condition, wrong } = await schedule.settle();
    expect({ seed, stuck, foreign, condition, wrong }).toEqual({
      seed,
      stuck: [],
      foreign: expected,
      condition: "True",
      wrong: [],
    });
  }
});

test("writes a node twice in the normal path, also with a cache that lags", async () => {
  const { api, cache } = { api: new FakeApi(), cache: snapshotsOn(SETTINGS) };
  for (const agent of AGENTS) cache.pods.set(pod(agent));
  const node = api.put(NODES, rawNode({ taints: [EBS, OURS] }));
  cache.nodes.set(projectNode(node as unknown as Json));
  const { taints, conditions } = writersOn(api, cache);
  for (let round = 0; round < 3; round++) {
    await taints.write("n1", signal);
    await conditions.write("n1", signal);
  }
  expect(api.log.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `PATCH ${NODE}`,
    `PATCH ${NODE}/status`,
  ]);
  expect(taintsOf(api.get(NODE))).toEqual([EBS]);
});

test("does not remove the taint of a new node because of the pods of a previous node of the same name", async () => {
  const { api, cache } = { api: new FakeApi(), cache: snapshotsOn(SETTINGS) };
  const early = { createdMs: NOW - 600_000, readySinceMs: NOW - 600_000 };
  for (const agent of AGENTS) cache.pods.set(pod(agent, early));
  const old = api.put(NODES, rawNode({ createdMs: NOW - 700_000 }));
  cache.nodes.set(projectNode(old as unknown as Json));
  api.remove(NODE);
  api.put(NODES, rawNode({ createdMs: NOW - 1000 }));
  const { taints } = writersOn(api, cache);
  expect(await taints.write("n1", signal)).toBeUndefined();
  expect(taintsOf(api.get(NODE))).toEqual([OURS]);
});
