/**
 * Parts of a real node that are killed at seeded moments of a checkpoint, and of the restore of that checkpoint: nothing is
 * frozen, doubled or left, the next one works, and what is reported is what the processes say.
 *
 * CEDANA_NODE_MOMENTS is the number of moments (default 12). SEED is the seed of the first round of two moments, so a long run
 * can resume where it ended: SEED=24 after SEED=4 with CEDANA_NODE_MOMENTS=40.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf } from "../../agent/artifact/parts";
import {
  NodeServiceClient,
  NodeServiceError,
  type CheckpointMetadata,
  type StageRequest,
} from "../../clients/node-service";
import { openServiceNode, pair, type ServiceNode } from "../../testbed/node/service";
import { eventually, KIND } from "../../testbed/node/testbed";
import { RESTORE_ANNOTATION } from "../../testbed/node/wrapper";
import { killLater, killOf, rounds, type Moment, type Operation, type Round } from "./support/moments";
import { PairChecks } from "./support/pair";
import { instrument, strikeAt, struck } from "./support/wrapper-steps";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

const MOMENTS = Number(process.env["CEDANA_NODE_MOMENTS"] ?? 12);

/** A process that is dumped can crash if CRIU is killed; a pod ends with its shim. Nothing else may end a container. */
const MAY_RESTART = ["criu", "shim"];

type Staged = readonly [Pick<StageRequest, "part" | "segments">, Buffer];

describeInNamespaces("a part of the node is killed at a seeded moment", () => {
  let node: ServiceNode;
  let checks: PairChecks;
  let client: NodeServiceClient;
  /** Milliseconds that each operation takes when nothing is killed. */
  const lengths: Record<Operation, number> = { checkpoint: 0, restore: 0, wrapper: 0 };
  /** The last round left the node as it was. */
  let usable = true;
  const NEVER: Moment = { operation: "wrapper", part: "none", command: "", share: 0 };

  beforeAll(async () => {
    node = await openServiceNode();
    checks = new PairChecks(node);
    client = new NodeServiceClient(node.socket());
    instrument(node);
    clear();
    await source();
    const parts = await measured("checkpoint", async () => {
      const podUID = node.uid("source");
      return exported((await client.checkpoint({ uid: "measured", podUID })).checkpoint);
    });
    for (const operation of ["restore", "wrapper"] as const) {
      const podUID = await created("measured", operation, parts);
      await measured(operation, async () => {
        await delivered(podUID, parts, "fail");
        for (;;) {
          const { containers } = await client.outcome(podUID);
          if (containers.every(({ phase }) => phase === "Restored")) return;
          await sleep(20);
        }
      });
      node.kubectl(["wait", "--for=condition=Ready", "pod/measured", "--timeout=120s"]);
      await removed("measured", podUID);
    }
    await client.forget("measured");
    process.stdout.write(`milliseconds without a kill: ${JSON.stringify(lengths)}\n`);
  });
  afterAll(() => {
    if (node) clear();
    node?.close();
  });

  async function measured<T>(operation: Operation, run: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await run();
    lengths[operation] = performance.now() - begin;
    return result;
  }

  function clear() {
    node.removePods();
    // containerd leaves the state of a container whose shim was killed while it ran.
    node.script(`rm -rf /run/containerd/runc/k8s.io/* /run/cedana-cdk/restored/*
rm -rf /var/lib/cedana-cdk/checkpoints/* /var/lib/cedana-cdk/restore/*`);
  }

  async function source() {
    node.runPod(pair("source", { megabytes: 16, pause: 10 }));
    await checks.reach("source", 200);
  }

  /** Reads all parts of a checkpoint, as a push to the registry does. */
  async function exported(metadata: CheckpointMetadata): Promise<readonly Staged[]> {
    const all: Staged[] = [];
    for (const part of ["metadata", ...partsOf(metadata)]) {
      const chunks: Buffer[] = [];
      for await (const { content } of (await client.export(metadata.uid, part)).segments)
        chunks.push(content);
      const bytes = Buffer.concat(chunks);
      all.push([
        {
          part,
          segments: [{ size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }],
        },
        bytes,
      ]);
    }
    return all;
  }

  const checkpointOf = ([[, metadata]]: readonly [Staged, ...Staged[]]) =>
    (JSON.parse(metadata.toString()) as CheckpointMetadata).uid;

  async function staged(podUID: string, parts: readonly Staged[], signal?: AbortSignal) {
    const checkpoint = checkpointOf(parts as [Staged, ...Staged[]]);
    async function* once(bytes: Buffer) {
      yield bytes;
    }
    for (const [part, bytes] of parts)
      await client.stage({ podUID, checkpoint, ...part }, () => once(bytes), signal);
    return checkpoint;
  }

  /** Stages and lays until the pod has its plan or has started without, as the agent does. A new agent begins again. */
  async function delivered(
    podUID: string,
    parts: readonly Staged[],
    fallback: "fresh" | "fail",
    first?: AbortSignal,
  ) {
    const deadline = new Date(Date.now() + 600_000);
    for (let signal = first; ; signal = undefined) {
      try {
        const checkpoint = await staged(podUID, parts, signal);
        const plan = { podUID, checkpoint, deadline, fallback, restart: "fresh", lazy: false } as const;
        return await client.lay(plan, signal);
      } catch (error) {
        if (error instanceof NodeServiceError && error.reason === "PodStarted") return;
        if (!first?.aborted && !(error instanceof NodeServiceError && error.retryable)) throw error;
        await sleep(200);
      }
    }
  }

  /** Creates a pod that waits for its plan. For the wrapper's part of a restore, everything is staged before. */
  async function created(name: string, operation: Operation, parts: readonly Staged[]): Promise<string> {
    const { spec } = pair(name, { megabytes: 16, pause: 10 });
    const metadata = { name, annotations: { [RESTORE_ANNOTATION]: "" } };
    const more = {
      runtimeClassName: "cedana",
      tolerations: [{ operator: "Exists" }],
      terminationGracePeriodSeconds: 1,
    };
    node.kubectl(["apply", "-f", "-"], {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { ...spec, ...more },
    });
    const podUID = node.uid(name);
    if (operation === "wrapper") {
      await staged(podUID, parts);
      await eventually(() => node.script("pgrep -f '^cedana-runc --root .* create'"));
    }
    return podUID;
  }

  async function removed(name: string, podUID: string) {
    node.kubectl(["delete", "pod", name, "--grace-period=1", "--wait=true"]);
    await eventually(() => node.ready());
    await client.forgetPlan(podUID);
  }

  /** Kills at a moment of an operation that has begun. Returns whether a process was there. */
  async function kill({ operation, part, command, share }: Moment, stop: AbortController): Promise<boolean> {
    const milliseconds = share * lengths[operation];
    // Only a checkpoint is about the source.
    const keep = operation === "checkpoint" ? "0" : checks.shim("source");
    if (part !== "agent") return killLater(node.folder, milliseconds, command, keep);
    await sleep(milliseconds);
    stop.abort();
    return true;
  }

  /** Takes a checkpoint with a kill. Returns the parts of the checkpoint that the same request gets afterwards. */
  async function checkpointed({ seed, checkpoint: moment }: Round): Promise<readonly Staged[]> {
    const [podUID, uid, stop] = [node.uid("source"), `round-${seed}`, new AbortController()];
    const request = { uid, podUID, freezeMilliseconds: 5000 };
    const asked = client.checkpoint(request, stop.signal).then(
      ({ checkpoint }) => checkpoint,
      (error: unknown) => String(error),
    );
    const hit = await kill(moment, stop);
    if (moment.part === "hanging service") {
      // The watchdog thaws at its limit, 3 s after the service should have.
      await checks.count("source");
      await killLater(node.folder, 0, moment.command.replace("STOP", "CONT"), "0");
    }
    const reported = await asked;
    report(seed, moment, hit, typeof reported === "string" ? reported : "taken");
    // A service that stops finishes a checkpoint that has begun.
    const finishes = moment.part === "stopping service" && moment.share * lengths.checkpoint > 100;
    expect(finishes ? typeof reported : "object").toBe("object");
    await node.ready();
    if (moment.part === "shim") checks.endOrphans();
    await checks.count("source");
    await checks.nothingLeft(1);
    const again = await retried(() => client.checkpoint(request));
    checks.isWhole(uid, again.checkpoint);
    // What was reported as taken is this checkpoint.
    expect(again.checkpoint).toEqual(typeof reported === "string" ? again.checkpoint : reported);
    const restarts = checks.restarts("source");
    expect(restarts).toBe(MAY_RESTART.includes(moment.part) ? restarts : "0 0");
    return exported(again.checkpoint);
  }

  /** Restores with a kill. Returns whether the pod resumes from the checkpoint. */
  async function restored({ seed, restore: moment }: Round, parts: readonly Staged[], name: string) {
    const before = checks.left();
    const [podUID, stop] = [await created(name, moment.operation, parts), new AbortController()];
    const delivery = delivered(podUID, parts, moment === NEVER ? "fail" : "fresh", stop.signal);
    const hit = moment === NEVER || (await kill(moment, stop));
    await delivery;
    const outcome = await settled(name, moment.part);
    report(seed, moment, hit, `${outcome.phase} ${outcome.reason}`);
    await ended(name, podUID, moment.part, before);
    return outcome.phase === "Restored";
  }

  /** Waits until both containers of a pod run for good after a kill, and returns the outcome. */
  async function settled(name: string, part: string) {
    node.kubectl(["wait", "--for=condition=Ready", `pod/${name}`, "--timeout=180s"]);
    if (part === "shim") checks.endOrphans();
    await checks.count(name);
    await checks.nothingLeft(2);
    // The kubelet may not have seen yet that the shim ended its containers, so what was reported before can differ.
    return eventually(() => checks.outcome(name));
  }

  /** Removes a pod after a kill. Nothing of it is left on the node. */
  async function ended(name: string, podUID: string, part: string, before: string) {
    await removed(name, podUID);
    if (part === "shim") checks.forgetDead("source");
    await eventually(() => expect(checks.left()).toBe(before));
  }

  /** Takes a checkpoint of the source, which is a new one if the last test failed or restarted it. */
  async function taken(uid: string): Promise<readonly Staged[]> {
    await prepared();
    const { checkpoint } = await client.checkpoint({ uid, podUID: node.uid("source") });
    checks.isWhole(uid, checkpoint);
    const parts = await exported(checkpoint);
    node.script("rm -rf /var/lib/cedana-cdk/checkpoints/*");
    return parts;
  }

  async function prepared() {
    if (!usable || checks.restarts("source") !== "0 0") {
      clear();
      await source();
    }
    usable = false;
  }

  async function retried<T>(run: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (attempt > 20 || !(error instanceof NodeServiceError && error.retryable)) throw error;
        await sleep(500);
      }
    }
  }

  function report(seed: number, { operation, part, share }: Moment, hit: boolean, result: string) {
    const at = Math.round(share * lengths[operation]);
    process.stdout.write(
      `seed ${seed}: ${operation}, ${part} after ${at} ms${hit ? "" : ", not running"}: ${result}\n`,
    );
  }

  /** Each part that is killed at each step of the second container, when the first one runs, and at some of the first one. */
  const steps = (["create", "start"] as const).flatMap((command) =>
    (["before", "after"] as const).flatMap((when) => [
      ...(["kubelet", "containerd", "shim"] as const).map((part) => [part, when, command, "pong"] as const),
      ["kubelet", when, command, "ping"] as const,
    ]),
  );
  test.each(steps)("%s killed %s the %s of %s", async (part, when, command, role) => {
    const parts = await taken("steps");
    const before = checks.left();
    const kill = killOf(part).replace('"${KEEP}"', checks.shim("source"));
    strikeAt(node, { when, command, role }, kill);
    const podUID = await created("copy", "restore", parts);
    await delivered(podUID, parts, "fresh");
    await eventually(() => expect(struck(node)).toBe(true));
    const outcome = await settled("copy", part);
    process.stdout.write(`${part} killed ${when} ${command} of ${role}: ${outcome.phase}\n`);
    // A shim that ends after all containers were started ends them: they run as restarts of a restored pod do.
    const restored = part !== "shim" || role !== "pong" || command !== "start" || when !== "after";
    expect(outcome.phase).toBe(restored ? "Restored" : "StartedFresh");
    await ended("copy", podUID, part, before);
    usable = true;
  });

  const all = rounds(Math.ceil(MOMENTS / 2)).map(
    (round) => [round.seed, round.checkpoint.part, round.restore.part, round] as const,
  );
  test.each(all)("seed %i: %s in a checkpoint, %s in its restore", async (_seed, _first, _second, round) => {
    await prepared();
    const parts = await checkpointed(round);
    const goesOn =
      (await restored(round, parts, "copy")) || (await restored({ ...round, restore: NEVER }, parts, "next"));
    expect(goesOn).toBe(true);
    node.script("rm -rf /var/lib/cedana-cdk/checkpoints/*");
    usable = true;
  });
});
