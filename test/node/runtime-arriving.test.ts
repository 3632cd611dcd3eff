/**
 * Lazy restores from a registry on a real node: the processes run while their memory is still in the registry. They find all of
 * it, or they are killed. They never read another byte, whatever is slow, damaged or dies.
 */
import { loadMemory, pullCheckpoint, pushCheckpoint } from "../../agent/artifact";
import { NodeServiceClient, NodeServiceError, type LayRequest } from "../../clients/node-service";
import { parseReference, RegistryClient } from "../../clients/registry";
import { openServiceNode, type ServiceNode } from "../../testbed/node/service";
import { eventually, KIND } from "../../testbed/node/testbed";
import { RESTORE_ANNOTATION } from "../../testbed/node/wrapper";
import { memory } from "./support/memory";
import { RegistryProxy } from "./support/registry";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

/** Megabytes of a container: a layer has about 16. */
const SIZE = 160;
const ONE = [memory("main", SIZE)];
const TWO = [memory("main", SIZE), memory("other", 48)];

describeInNamespaces("memory that arrives from the registry while the processes run", () => {
  let node: ServiceNode;
  let service: NodeServiceClient;
  let registry: RegistryProxy;
  let client: RegistryClient;
  /** Artifacts by name. */
  const images = new Map<string, string>();
  const specs = { one: ONE, two: TWO };

  beforeAll(async () => {
    node = await openServiceNode("memory");
    service = new NodeServiceClient(node.socket());
    registry = await new RegistryProxy().start();
    client = new RegistryClient({ registry: registry.host, attempts: 3 });
    node.removePods();
    for (const [uid, containers] of Object.entries(specs)) {
      node.runPod({ metadata: { name: uid }, spec: { containers } });
      for (const { name } of containers) await logged(uid, name, /^tick 5 /m);
      await service.checkpoint({ uid, podUID: node.uid(uid) });
      const reference = parseReference(`${registry.host}/arriving/${uid}:1`);
      const { image } = await pushCheckpoint({ uid, reference, client, node: service });
      images.set(uid, image);
      registry.others.add((await manifest(uid)).config.digest);
      await service.forget(uid);
      node.removePods();
    }
  });
  afterEach(async () => {
    registry.permit(Infinity);
    registry.damaged.clear();
    node.removePods();
    node.script("rm -rf /var/lib/cedana-cdk/restore/*");
  });
  afterAll(() => {
    client?.close();
    registry?.stop();
    node?.close();
  });

  const manifest = async (uid: string) =>
    JSON.parse(
      (await client.getManifest(`arriving/${uid}`, images.get(uid)!.split("@")[1]!))!.content.toString(),
    ) as {
      readonly config: { readonly digest: string };
      readonly layers: readonly { readonly digest: string }[];
    };

  /** Waits for a line in the log of a container. No process may have found a wrong page. */
  const logged = (pod: string, container: string, pattern: RegExp, ...more: string[]) =>
    eventually(() => {
      const log = node.kubectl(["logs", pod, "-c", container, ...more]);
      expect(log).not.toMatch(/bad [1-9]/);
      if (!pattern.test(log)) throw new Error(`the log of ${pod}/${container} has no ${pattern}:\n${log}`);
    });
  /** Sends a signal to the processes of all containers of the node. */
  const signal = (name: string) => node.onNode("pkill", `-${name}`, "-x", "memory");
  const restarts = () =>
    node.kubectl(["get", "pod", "copy", "-o", "jsonpath={.status.containerStatuses[*].restartCount}"]);

  const load = (uid: string, abort?: AbortSignal) =>
    loadMemory({ image: images.get(uid)!, client, node: service, podUID: node.uid("copy"), signal: abort });

  /** Restores the pod `copy` with what a restore needs; no other layer comes. */
  async function running(uid: keyof typeof specs, fields: Partial<LayRequest> = {}): Promise<string> {
    node.kubectl(["create", "-f", "-"], {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "copy", annotations: { [RESTORE_ANNOTATION]: "" } },
      spec: {
        runtimeClassName: "cedana",
        tolerations: [{ operator: "Exists" }],
        terminationGracePeriodSeconds: 1,
        containers: specs[uid],
      },
    });
    const podUID = node.uid("copy");
    registry.sent.length = 0;
    await pullCheckpoint({ image: images.get(uid)!, client, node: service, podUID, lazy: true });
    registry.permit(0);
    const deadline = new Date(Date.now() + 600_000);
    const plan = {
      podUID,
      checkpoint: uid,
      deadline,
      fallback: "fresh",
      restart: "fresh",
      lazy: true,
    } as const;
    await service.lay({ ...plan, ...fields });
    await eventually(async () => {
      const { containers } = await service.outcome(podUID);
      expect(containers).toEqual(
        specs[uid].map(({ name }) =>
          expect.objectContaining({ name, phase: "Restored", memory: "Loading", arriving: true }),
        ),
      );
    });
    return podUID;
  }

  const loaded = (podUID: string) =>
    eventually(async () => {
      const { decision, containers } = await service.outcome(podUID);
      expect(decision).toBe("restore");
      for (const each of containers) {
        expect(each.memory).toBe("Loaded");
        expect(each.arriving).toBeUndefined();
      }
    });

  /** Waits until the restore has failed for lack of memory, and the containers have started fresh. */
  async function lost(podUID: string, message: RegExp, names = ["main"]): Promise<void> {
    await eventually(async () => {
      const outcome = await service.outcome(podUID);
      expect(outcome).toMatchObject({ decision: "fresh", reason: "MemoryLost" });
      expect(outcome.message).toMatch(message);
      expect(outcome.containers.map(({ phase }) => phase)).toEqual(names.map(() => "StartedFresh"));
    });
    await eventually(() => expect(restarts()).toBe(names.map(() => "1").join(" ")));
    for (const name of names) {
      await logged("copy", name, /^/, "--previous");
      await logged("copy", name, /^filled$/m);
    }
  }

  test("is complete in the process and its children, and a checkpoint is rejected until then", async () => {
    const podUID = await running("one");
    await expect(service.checkpoint({ uid: "early", podUID })).rejects.toThrow(/memory .* is still loaded/);
    const done = load("one");
    signal("USR2");
    registry.permit(Infinity);
    await logged("copy", "main", /^child bad 0$/m);
    signal("USR1");
    await logged("copy", "main", /^all bad 0$/m);
    await done;
    await loaded(podUID);
    // What was staged before the plan is not pulled again.
    // What was staged before the plan is not pulled again.
    expect(new Set(registry.sent).size).toBe(registry.sent.length);
    expect(restarts()).toBe("0");
    await load("one");
    await service.forgetPlan(podUID);
    node.removePods();
    expect(node.leftovers()).toBe("");
  });

  test("continues with another agent, and with another process of the service", async () => {
    const podUID = await running("one");
    const agent = new AbortController();
    const first = load("one", agent.signal).catch((error: unknown) => error);
    registry.permit(2);
    const before = registry.sent.length;
    signal("USR1");
    await eventually(() => expect(registry.sent.length).toBeGreaterThanOrEqual(before + 2));
    agent.abort(new Error("killed"));
    expect(await first).toEqual(new Error("killed"));
    registry.permit(0);
    const asked = registry.asked.length;
    // The service can still be busy with the connection of the first one.
    const second = eventually(() =>
      load("one").catch((error: unknown) => {
        if (error instanceof NodeServiceError && error.reason === "InUse") throw error;
        return error;
      }),
    );
    await eventually(() => expect(registry.asked.length).toBeGreaterThan(asked));
    node.script("pkill -KILL -f '^/opt/cedana-cdk/current/bin/cedana-node cedana-noded$'");
    expect(await second).toBeInstanceOf(NodeServiceError);
    registry.permit(Infinity);
    await node.ready();
    await eventually(() => load("one"));
    await logged("copy", "main", /^all bad 0$/m);
    await loaded(podUID);
    expect(restarts()).toBe("0");
  });

  test("that does not come in time ends the container, which starts fresh", async () => {
    const podUID = await running("one", { memorySeconds: 5 });
    signal("USR1");
    const given = load("one", AbortSignal.timeout(20_000)).catch(() => undefined);
    await lost(podUID, /was not loaded in time/);
    expect(restarts()).toBe("1");
    registry.permit(Infinity);
    await given;
  });

  test("of a damaged layer is never given to a process: the containers start fresh", async () => {
    const podUID = await running("two");
    const { layers } = await manifest("two");
    // All that are not on the node.
    for (const { digest } of layers) if (!registry.sent.includes(digest)) registry.damaged.add(digest);
    expect(registry.damaged.size).toBeGreaterThan(5);
    registry.permit(Infinity);
    signal("USR1");
    const failure = await load("two").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NodeServiceError);
    expect(failure).toMatchObject({ reason: "ContentInvalid" });
    const message = (failure as Error).message;
    await service.loseMemory({ podUID, message });
    await lost(podUID, /did not arrive: layer sha256:.* differs from its digest/, ["main", "other"]);
  });

  test("of two containers is complete", async () => {
    const podUID = await running("two");
    const done = load("two");
    signal("USR1");
    registry.permit(Infinity);
    await Promise.all([done, ...["main", "other"].map((name) => logged("copy", name, /^all bad 0$/m))]);
    await loaded(podUID);
    expect(restarts()).toBe("0 0");
  });

  test("of a pod that is deleted meanwhile leaves nothing", async () => {
    const podUID = await running("one");
    const agent = new AbortController();
    const first = load("one", agent.signal).catch(() => undefined);
    node.removePods();
    agent.abort(new Error("the NodeRestore was deleted"));
    await first;
    await eventually(() => service.forgetPlan(podUID));
    expect(node.leftovers()).toBe("");
    expect(node.script("ls -A /var/lib/cedana-cdk/restore").trim()).toBe("");
  });
});
