/**
 * Policies with the engine `criu` on a real node: their checkpoints are restored into the pods that replace deleted ones,
 * verified by the output of the processes. `test/integration/policies.test.ts` has what needs no node.
 */
import { createHmac, randomBytes } from "node:crypto";
import { request } from "node:https";
import { counting } from "../../testbed/node/counting";
import { openEngine, type CheckpointObject, type Engine } from "../../testbed/node/engine";
import { eventually } from "../../testbed/node/testbed";
import { NAMES, PAIR } from "./engine/pods";
import { ready, RESTORE, stepsOn, type Steps } from "./support/steps";

type Taken = CheckpointObject & {
  readonly spec: { readonly podRef: { readonly name: string } };
};

interface PolicyStatus {
  readonly matchedPods?: number;
  readonly inFlight?: number;
  readonly conditions?: readonly { readonly reason: string }[];
  readonly lastFailures?: readonly {
    readonly pod: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

const KINDS = "checkpointpolicies.automation.cedana.ai,clustercheckpointpolicies.automation.cedana.ai";
/** The shortest interval that the kind permits. */
const INTERVAL_SECONDS = 60;
/** A tick, and the checkpoint, on a slow machine. */
const TICK_SECONDS = 3 * INTERVAL_SECONDS;

let engine: Engine;
let steps: Steps;

beforeAll(async () => {
  engine = await openEngine({ quota: "400Mi", reserve: "100Mi" }, [], {
    policies: { webhook: { secrets: ["hooks"], allowFromRanges: ["0.0.0.0/0"] } },
  });
  steps = stepsOn(engine);
});
afterEach(() => {
  engine.kubectl(["delete", KINDS, "--all", "--all-namespaces"]);
  steps.deleteWorkloads();
});
afterAll(() => engine?.close());

/** Creates a policy for the pods of app=web. */
const policy = (kind: string, name: string, spec: object) =>
  engine.kubectl(["create", "-f", "-"], {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind,
    metadata: { name },
    spec: { action: { checkpoint: {} }, ...spec },
  });

const HEARTBEAT = {
  trigger: { heartbeat: { intervalSeconds: INTERVAL_SECONDS, jitterSeconds: 0 } },
  filter: { pods: { matchLabels: { app: "web" } } },
  minSpacingSeconds: 1,
};

const deployment = (spec: object) =>
  engine.kubectl(["create", "-f", "-"], {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" }, annotations: RESTORE("latest") },
        spec: { terminationGracePeriodSeconds: 1, tolerations: [{ operator: "Exists" }], ...spec },
      },
    },
  });

/** Returns the completed Checkpoints that a policy took of a pod, the oldest first. */
function takenBy(name: string, pod: string): readonly Taken[] {
  const list = engine.kubectl([
    "get",
    "checkpoints.automation.cedana.ai",
    "-l",
    `cedana.ai/policy=${name}`,
    "--sort-by=.metadata.creationTimestamp",
    "-o",
    "json",
  ]);
  const { items } = JSON.parse(list) as { items: readonly Taken[] };
  return items.filter(
    (each) => each.spec.podRef.name === pod && each.status?.conditions && ready(each)?.status === "True",
  );
}

/** Waits until a policy has taken so many Checkpoints of a pod. */
const completed = (name: string, pod: string, count = 1) =>
  eventually(() => {
    const taken = takenBy(name, pod);
    if (taken.length < count) throw new Error(`policy ${name} has ${taken.length} Checkpoints of ${pod}`);
    return taken;
  }, count * TICK_SECONDS);

const suspend = (name: string, holds: boolean) =>
  engine.kubectl([
    "patch",
    "checkpointpolicies.automation.cedana.ai",
    name,
    "--type=merge",
    "-p",
    JSON.stringify({ spec: { suspend: holds } }),
  ]);

/** Deletes the only pod of app=web. Its replacement must resume from a Checkpoint, at the counts that the pod had. */
async function replaced(
  pod: string,
  checkpoint: string,
  before: readonly { readonly count: number; readonly token: string }[],
): Promise<string> {
  engine.kubectl(["delete", "pod", pod, "--grace-period=1"]);
  const next = await steps.onlyPod();
  expect(next).not.toBe(pod);
  await steps.resumed(next, NAMES, before);
  expect(await steps.event("Restored", next)).toContain(`Checkpoint ${checkpoint}`);
  return next;
}

/** Suspends the policy, and returns its last Checkpoint of a pod once none is in flight. */
async function lastOf(name: string, pod: string): Promise<Taken> {
  suspend(name, true);
  return eventually(() => {
    const { inFlight, conditions = [] } = policyStatus("checkpointpolicies", name);
    expect(conditions.map(({ reason }) => reason)).toContain("Suspended");
    expect(inFlight).toBe(0);
    return takenBy(name, pod).at(-1)!;
  }, TICK_SECONDS);
}

test("a pod resumes from the last checkpoint of a heartbeat policy, and is checkpointed itself", async () => {
  deployment(PAIR);
  let pod = await steps.onlyPod();
  const first = await steps.reach(pod, NAMES, () => 3);
  policy("CheckpointPolicy", "heartbeat", HEARTBEAT);
  for (const ticks of [2, 1]) {
    await completed("heartbeat", pod, ticks);
    const last = await lastOf("heartbeat", pod);
    expect(last.status.frozenMilliseconds).toEqual(expect.any(Number));
    expect(last.status.containers?.map(({ name }) => name)).toEqual(NAMES);
    // The checkpoints did not stop it.
    await steps.resumed(pod, NAMES, first);
    pod = await replaced(pod, last.metadata.name, first);
    expect(steps.status(pod, ".containerStatuses[*].restartCount")).toBe("0 0");
    suspend("heartbeat", false);
  }
});

test("a request of a Deployment takes a checkpoint from which its next pod resumes", async () => {
  deployment(PAIR);
  const pod = await steps.onlyPod();
  policy("ClusterCheckpointPolicy", "on-request", {
    trigger: { manual: {} },
    filter: { namespaces: ["default"], owners: [{ kind: "Deployment", names: ["web"] }] },
  });
  const before = await steps.reach(pod, NAMES, () => 3);
  await eventually(() =>
    expect(policyStatus("clustercheckpointpolicies", "on-request")).toMatchObject({ matchedPods: 1 }),
  );
  const at = `cedana.ai/checkpoint-requested-at=${new Date().toISOString()}`;
  engine.kubectl(["annotate", "deployment", "web", at]);
  const [taken] = await completed("on-request", pod);
  await replaced(pod, taken!.metadata.name, before);
});

test("a signed request to the Service takes a checkpoint from which the next pod resumes", async () => {
  const key = randomBytes(32);
  engine.kubectl(["create", "-f", "-"], {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "hooks" },
    stringData: { "on-deploy": `whsec_${key.toString("base64")}` },
  });
  deployment(PAIR);
  const pod = await steps.onlyPod();
  policy("CheckpointPolicy", "on-deploy", { trigger: { webhook: { secret: { name: "hooks" } } } });
  const before = await steps.reach(pod, NAMES, () => 3);
  await eventually(() =>
    expect(policyStatus("checkpointpolicies", "on-deploy")).toMatchObject({ matchedPods: 1 }),
  );
  const path = "/checkpointpolicies/default/on-deploy";
  expect(await posted(path, randomBytes(32))).toBe(401);
  expect(await posted(path, key)).toBe(202);
  const [taken] = await completed("on-deploy", pod);
  await replaced(pod, taken!.metadata.name, before);
  expect(takenBy("on-deploy", pod)).toHaveLength(1);
});

test("the first pod of a revision is checkpointed when it is ready, and the next one resumes", async () => {
  policy("CheckpointPolicy", "warm", {
    trigger: { startup: { readySeconds: 3 } },
    filter: { owners: [{ kind: "Deployment", names: ["web"] }] },
  });
  // A pod that was due before is not checkpointed.
  await eventually(() =>
    expect(policyStatus("checkpointpolicies", "warm")).toMatchObject({
      conditions: expect.arrayContaining([expect.objectContaining({ reason: "Scheduled" })]),
    }),
  );
  deployment(PAIR);
  const pod = await steps.onlyPod();
  const [taken] = await completed("warm", pod);
  const before = await steps.reach(pod, NAMES, () => 3);
  const next = await replaced(pod, taken!.metadata.name, before);
  // It is of the same revision, and has been ready for as long.
  await steps.reach(next, NAMES, (at) => before[at]!.count + 10);
  expect(takenBy("warm", next)).toEqual([]);
});

test("a checkpoint that the node rejects is a failure of the policy, and the pod keeps running", async () => {
  engine.runPod({
    metadata: { name: "large", labels: { app: "web" } },
    spec: { containers: [counting("count", 500)] },
  });
  const before = await steps.counts.reach("large", "count", 2);
  policy("CheckpointPolicy", "heartbeat", HEARTBEAT);
  await eventually(() => {
    const { lastFailures = [] } = policyStatus("checkpointpolicies", "heartbeat");
    expect(lastFailures).toContainEqual(
      expect.objectContaining({ pod: "large", message: expect.stringMatching(/more than the limit/) }),
    );
  }, TICK_SECONDS);
  expect(takenBy("heartbeat", "large")).toEqual([]);
  await steps.resumed("large", ["count"], [before]);
  expect(steps.status("large", ".containerStatuses[*].restartCount")).toBe("0");
});

/**
 * Sends a signed request to the Service of the webhook, and returns the status of the response. As no kube-proxy runs, the
 * address is that of the Service's endpoint; host name and certificate are those of the Service.
 */
function posted(path: string, key: Buffer): Promise<number | undefined> {
  const read = (...list: string[]) => engine.kubectl(["-n", "cedana-system", "get", ...list, "-o", "json"]);
  const { items } = JSON.parse(
    read("endpointslices", "-l", "kubernetes.io/service-name=cedana-policies"),
  ) as {
    items: readonly [
      { endpoints: readonly [{ addresses: readonly string[] }]; ports: readonly [{ port: number }] },
    ];
  };
  const { data } = JSON.parse(read("secret", "cedana-restore-certificate")) as { data: { "ca.crt": string } };
  const { endpoints, ports } = items[0];
  const name = "cedana-policies.cedana-system.svc";
  const id = `msg_${randomBytes(8).toString("hex")}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const body = '{"type":"deploy.finished"}';
  return new Promise((resolve, reject) => {
    const sent = request({
      host: endpoints[0].addresses[0],
      port: ports[0].port,
      servername: name,
      ca: Buffer.from(data["ca.crt"], "base64"),
      method: "POST",
      path,
      headers: {
        host: name,
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`,
      },
    });
    sent.on("error", reject).on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.end(body);
  });
}

test("the controller logged no errors and no Node.js warnings", () => {
  expect(steps.controllerErrors()).toEqual([]);
});

function policyStatus(plural: string, name: string): PolicyStatus {
  const text = engine.kubectl(["get", `${plural}.automation.cedana.ai`, name, "-o", "json"]);
  return (JSON.parse(text) as { status?: PolicyStatus }).status ?? {};
}
