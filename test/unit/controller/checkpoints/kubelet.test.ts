/**
 * Checkpoints by the engine kubelet: what it asks the agents for, what it says of their answers, and that a controller
 * which dies anywhere leaves no Checkpoint without an end and no NodeCheckpoint behind.
 */
import { ApiError, type Transport } from "../../../../kube/client";
import { nodeLabelValue, type NodeCheckpointStatus } from "../../../../api";
import type { CheckpointSettings } from "../../../../config/programs/controller";
import { checkpointControllers } from "../../../../controller/checkpoints";
import { createEngines } from "../../../../controller/engines";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type Stored } from "../../../support/fake-api";
import { CHECKPOINTS, pod, seconds } from "./support";

const NODE_CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/cedana-agents/nodecheckpoints";
const PLACE = {
  namespace: "cedana-agents",
  repository: "registry.example.com/checkpoints",
  timeoutSeconds: 300,
};
const never = new Promise<never>(() => {});

/** One process of the controller. Dead at a step, the step is done and it hears nothing of it. */
class Replica {
  steps = 0;
  dead = false;
  private readonly stopping = new AbortController();
  readonly led: Promise<void>;

  constructor(
    api: FakeApi,
    private readonly dieAt?: number,
  ) {
    const client: Transport = {
      send: (method, path, body, more) =>
        this.step(() => api.send(method, path, body, more), more?.query?.["limit"] === undefined),
      watch: (path, more) => api.watch(path, more),
    };
    const runtime = runtimeOn(client);
    const settings: CheckpointSettings = {
      namespaces: "all",
      maxPerNode: 2,
      locations: ["/var"],
      engine: "kubelet",
      agent: PLACE,
    };
    const controllers = checkpointControllers({
      ...runtime,
      settings,
      engines: createEngines(settings, runtime),
    });
    this.led = lead(runtime, controllers, this.stopping.signal);
  }

  /** As by SIGTERM. */
  stop(): void {
    this.stopping.abort();
  }

  kill(): void {
    this.dead = true;
    this.stopping.abort();
  }

  private async step<T>(work: () => Promise<T>, counts: boolean): Promise<T> {
    if (this.dead) return never;
    const dies = counts && ++this.steps === this.dieAt;
    const done = await work().then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    if (dies) this.kill();
    return this.dead ? never : done();
  }
}

const condition = (type: string, reason: string, message: string) => ({
  type,
  status: "True" as const,
  reason,
  message,
  lastTransitionTime: "2026-11-21T15:00:00Z",
});
const DONE = {
  conditions: [condition("Ready", "CheckpointCompleted", "done")],
  image: "registry.example.com/checkpoints@sha256:aa",
  digest: "sha256:aa",
  sizeBytes: 17,
  architecture: "arm64",
  baseImage: "base@sha256:bb",
  frozenMilliseconds: 120,
  notRestored: [{ code: "restart", message: "begins again" }],
} as unknown as NodeCheckpointStatus;

class World {
  readonly api = new FakeApi();
  readonly asked: string[] = [];
  private readonly replicas: Replica[] = [];

  constructor(containers = ["a"]) {
    this.api.put("/api/v1/namespaces/team-a/pods", pod("counter-0", { containers }));
  }

  start(dieAt?: number): Replica {
    const replica = new Replica(this.api, dieAt);
    this.replicas.push(replica);
    return replica;
  }

  /** An agent that ends what it is asked after a second. */
  agent(status: NodeCheckpointStatus = DONE): void {
    this.api.after = ({ method, body }) => {
      const made = body?.content as Stored;
      if (method !== "POST" || made.kind !== "NodeCheckpoint") return;
      this.asked.push(made.metadata.name);
      setTimeout(() => {
        if (this.api.get(`${NODE_CHECKPOINTS}/${made.metadata.name}`)) this.edit(made.metadata.name, status);
      }, 1000);
    };
  }

  edit(name: string, status: NodeCheckpointStatus): void {
    this.api.edit(`${NODE_CHECKPOINTS}/${name}`, (object) => {
      (object as Record<string, unknown>)["status"] = status;
    });
  }

  async checkpoint(spec: object = {}): Promise<void> {
    const content = {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name: "one", namespace: "team-a" },
      spec: { podRef: { name: "counter-0" }, ...spec },
    };
    await this.api.send("POST", CHECKPOINTS, { type: "application/json", content });
  }

  get name(): string {
    return `${this.api.get(`${CHECKPOINTS}/one`)?.metadata.uid}-a`;
  }

  /** `Ready CheckpointCompleted`, the message, and what the status says of the containers. */
  said() {
    const status = (this.api.get(`${CHECKPOINTS}/one`)?.["status"] ?? {}) as {
      conditions?: { type: string; status: string; reason: string; message: string }[];
      containers?: Record<string, unknown>[];
    };
    const { type = "-", reason = "-" } =
      status.conditions?.find(({ status: value }) => value === "True") ?? {};
    return { is: `${type} ${reason}`, message: status.conditions?.[0]?.message ?? "", ...status };
  }

  async nodeCheckpoints(): Promise<Stored[]> {
    return ((await this.api.send("GET", NODE_CHECKPOINTS)) as { items: Stored[] }).items;
  }

  async end(): Promise<void> {
    for (const replica of this.replicas) replica.kill();
    await jest.advanceTimersByTimeAsync(0);
  }
}

let world: World;
beforeEach(() => jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") }));
afterEach(async () => {
  await world.end();
  jest.useRealTimers();
});

test("the agent of the node is asked, and what it says is written", async () => {
  world = new World();
  await world.checkpoint();
  world.start();
  await seconds(2);
  const [made] = await world.nodeCheckpoints();
  expect(made).toMatchObject({
    metadata: { name: world.name, labels: { "automation.cedana.ai/node": nodeLabelValue("n1") } },
    spec: {
      nodeName: "n1",
      podRef: { namespace: "team-a", name: "counter-0" },
      containerName: "a",
      image: `registry.example.com/checkpoints:${world.name}`,
      timeoutSeconds: 300,
    },
  });
  world.edit(world.name, DONE);
  await seconds(2);
  expect(world.said()).toMatchObject({
    is: "Ready CheckpointCompleted",
    sizeBytes: 17,
    containers: [
      {
        name: "a",
        checkpointID: "sha256:aa",
        location: "registry.example.com/checkpoints@sha256:aa",
        sizeBytes: 17,
        architecture: "arm64",
        baseImage: "base@sha256:bb",
        frozenMilliseconds: 120,
        notRestored: [{ code: "restart", message: "begins again" }],
      },
    ],
  });
  expect(await world.nodeCheckpoints()).toEqual([]);
});

test.each([
  ["QuotaExceeded", "QuotaExceeded"],
  ["RegistryFailed", "RegistryFailed"],
  ["CheckpointFailed", "CheckpointFailed"],
])("an agent that fails with %s", async (reason, expected) => {
  world = new World();
  world.agent({ conditions: [condition("Failed", reason, "why") as never] });
  await world.checkpoint();
  world.start();
  await seconds(4);
  expect(world.said()).toMatchObject({ is: `Failed ${expected}`, message: "container a: why" });
  expect(await world.nodeCheckpoints()).toEqual([]);
});

test.each([
  [{ leaveRunning: false }, "leaveRunning: false is not possible"],
  [{ location: "/var/x" }, "location is not possible"],
])("what a kubelet cannot do is refused: %j", async (spec, words) => {
  world = new World();
  await world.checkpoint(spec);
  world.start();
  await seconds(2);
  expect(world.said().is).toBe("Failed CheckpointFailed");
  expect(world.said().message).toContain(words);
});

test("a node whose agent says nothing: Failed, in words; one that works is waited for", async () => {
  world = new World();
  await world.checkpoint();
  world.start();
  await seconds(80);
  expect(world.said().is).toBe("Failed AgentNotAnswering");
  expect(world.said().message).toMatch(
    /^container a: the agent of node n1 has not answered within 60 s: is its pod/,
  );
  expect(await world.nodeCheckpoints()).toEqual([]);
  await world.end();

  world = new World();
  await world.checkpoint();
  world.start();
  await seconds(5);
  world.edit(world.name, { conditions: [condition("Progressing", "Pushing", "to the registry") as never] });
  await seconds(300);
  expect(world.said().is).toBe("Progressing CheckpointInProgress");
  await seconds(150);
  expect(world.said().is).toBe("Failed AgentNotAnswering");
  expect(world.said().message).toMatch(/it last said: to the registry$/);
});

test("somebody deletes what the agent was asked: Failed, not unknown", async () => {
  world = new World();
  await world.checkpoint();
  world.start();
  await seconds(5);
  world.api.remove(`${NODE_CHECKPOINTS}/${world.name}`);
  await seconds(2);
  await seconds(20);
  expect(world.said()).toMatchObject({ is: "Failed CheckpointFailed" });
  expect(world.said().message).toContain("was deleted by somebody else");
});

test("a right that is missing is waited for, and said", async () => {
  world = new World();
  world.api.before = ({ method, path }) => {
    if (method === "POST" && path === NODE_CHECKPOINTS)
      throw new ApiError(403, "nodecheckpoints is forbidden");
  };
  await world.checkpoint();
  world.start();
  await seconds(4);
  expect(world.said()).toMatchObject({ is: "- -" });
  expect(world.said().message).toContain("engine kubelet cannot be reached: cannot create a NodeCheckpoint");
  world.api.before = undefined;
  world.agent();
  await seconds(30);
  expect(world.said().is).toBe("Ready CheckpointCompleted");
});

test("told to stop, the controller leaves what the agent works on; the next one hears the end", async () => {
  world = new World();
  await world.checkpoint();
  const first = world.start();
  await seconds(3);
  first.stop();
  await seconds(15);
  expect(world.said().is).toBe("Progressing CheckpointInProgress");
  first.kill();
  world.edit(world.name, DONE);
  world.start();
  await seconds(3);
  expect(world.said().is).toBe("Ready CheckpointCompleted");
  expect(await world.nodeCheckpoints()).toEqual([]);
});

test("the leader dies after each of its steps: the next one goes on, and nothing is left behind", async () => {
  let steps = 0;
  for (let step = 1; ; step++) {
    world = new World(["a", "b"]);
    world.agent();
    await world.checkpoint();
    const first = world.start(step);
    await seconds(8);
    const died = first.dead;
    first.kill();
    world.start();
    await seconds(20);
    expect([step, world.said().is]).toEqual([step, "Ready CheckpointCompleted"]);
    expect(world.said().containers?.map(({ name, checkpointID }) => [name, checkpointID])).toEqual([
      ["a", "sha256:aa"],
      ["b", "sha256:aa"],
    ]);
    // The end was written before it was forgotten: the next sweep does it.
    await seconds(600);
    expect(await world.nodeCheckpoints()).toEqual([]);
    await world.end();
    if (!died) break;
    steps = step;
  }
  expect(steps).toBeGreaterThanOrEqual(8);
});
