/**
 * The action `verify` of policies on a real node: a checkpoint is restored in a sandbox pod beside its running pod, a damaged one
 * is found, and the pod itself is restored from the same checkpoints afterwards.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { counting } from "../../testbed/node/counting";
import { openEngine, type CheckpointObject, type Engine } from "../../testbed/node/engine";
import { eventually, REGISTRY, scaled } from "../../testbed/node/testbed";
import { shellAfter } from "./engine/pods";
import { RESTORE, stepsOn } from "./support/steps";

const TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount";
const REQUEST = "cedana.ai/checkpoint-requested-at";

type Verified = CheckpointObject & {
  readonly status: {
    readonly restore?: object;
    readonly lastVerified?: Readonly<Record<"outcome" | "reason" | "message" | "time", string>>;
  };
};

let engine: Engine;
let steps: ReturnType<typeof stepsOn>;

const DATA = { volumeMounts: [{ name: "data", mountPath: "/data" }] };

/** A pod with a volume that the checkpoint has, and the token that each pod has. */
const SPEC = {
  containers: [shellAfter("true", DATA), { ...counting("count", 16), ...DATA }],
  volumes: [{ name: "data", emptyDir: {} }],
};
const NAMES = SPEC.containers.map(({ name }) => name);

beforeAll(async () => {
  engine = await openEngine({ restore: { timeoutSeconds: scaled(60) } }, [], {
    checkpoints: { namespaces: ["default"], timeoutSeconds: scaled(600) },
    policies: { verify: {} },
  });
  steps = stepsOn(engine);
  steps.deleteWorkloads();
});
afterEach(() => {
  engine.kubectl(["delete", "checkpointpolicies", "--all"]);
  steps.deleteWorkloads();
});
afterAll(() => engine?.close());

/** Creates a policy that verifies the Checkpoints of the pods, on request. */
function policy(name: string, verify: object): void {
  engine.kubectl(["create", "-f", "-"], {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name },
    spec: {
      trigger: { manual: {} },
      action: { verify: { runSeconds: 5, timeoutSeconds: scaled(300), ...verify } },
    },
  });
}

const request = (pod: string) =>
  engine.kubectl(["annotate", "--overwrite", "pod", pod, `${REQUEST}=${new Date().toISOString()}`]);
const inShell = (pod: string, command: string) =>
  engine.kubectl(["exec", pod, "-c", "shell", "--", "/bin/sh", "-c", command]);
const sandboxes = () =>
  engine
    .kubectl(["get", "pods", "-l", "cedana.ai/verification", "-o", "name"])
    .split("\n")
    .filter((name) => name !== "")
    .map((name) => name.replace("pod/", ""));
const checkpoint = (name: string) =>
  JSON.parse(engine.kubectl(["get", "checkpoint", name, "-o", "json"])) as Verified;
/** Waits for the outcome of a verification after another one. */
const outcome = (name: string, after = "") =>
  eventually(() => {
    const { lastVerified } = checkpoint(name).status;
    if (lastVerified === undefined || lastVerified.time === after) throw new Error(`${name} is not verified`);
    return lastVerified;
  }, 180);

const textOf = ({ outcome: result, reason, message }: Awaited<ReturnType<typeof outcome>>) =>
  `${result} ${reason}: ${message}`;

/** Returns the file of the registry with the largest layer of a checkpoint. */
async function largestLayer(name: string): Promise<string> {
  const location = checkpoint(name).status.containers?.[0]?.location ?? "";
  const digest = location.slice(location.indexOf("@") + 1);
  const response = await fetch(`http://${REGISTRY}/v2/checkpoints/manifests/${digest}`);
  const { layers } = (await response.json()) as { layers: { digest: string; size: number }[] };
  const [largest] = layers.toSorted((a, b) => b.size - a.size);
  return join(engine.folder, "registry", (largest?.digest ?? "").replace(":", "/"));
}

test("a checkpoint is restored in a sandbox pod beside its pod, which later resumes from it too", async () => {
  engine.runPod({ metadata: { name: "web" }, spec: SPEC });
  inShell("web", "echo saved > /data/file");
  const before = await steps.reach("web", NAMES, () => 3);
  await steps.taken("cp", "web");
  inShell("web", "echo later > /data/file");
  const command = ["/bin/sh", "-c", '[ "$(cat /data/file)" = saved ]'];
  policy("prove", { probe: { command, container: "shell" }, runSeconds: 20 });
  request("web");
  const sandbox = await eventually(() => {
    const [name] = sandboxes();
    if (name === undefined) throw new Error("there is no sandbox pod");
    return name;
  }, 60);
  // The same process, with its volume, and without the token.
  await steps.resumed(sandbox, NAMES, before);
  const files = (pod: string) => inShell(pod, `cd ${TOKENS}; echo *`).trim();
  expect([files("web"), files(sandbox)]).toEqual(["ca.crt namespace token", "ca.crt namespace"]);
  expect(textOf(await outcome("cp"))).toMatch(/^Verified ProbeSucceeded: /);
  await eventually(() => expect(sandboxes()).toEqual([]));
  const { status } = checkpoint("cp");
  expect(status.restore).toBeUndefined();
  expect(engine.kubectl(["get", "checkpoint", "cp", "-o", "wide"])).toContain("Verified");
  await eventually(() =>
    expect(
      engine.kubectl(["get", "checkpointpolicy", "prove", "-o", "jsonpath={.status.lastVerified}"]),
    ).toContain('"checkpoint":"cp"'),
  );
  // The pod never stopped.
  const during = await steps.reach("web", NAMES, (at) => before[at]!.count + 5);
  expect(during.map(({ token }) => token)).toEqual(before.map(({ token }) => token));
  engine.kubectl(["delete", "pod", "web"]);
  engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec: SPEC });
  await steps.resumed("web", NAMES, before);
  await eventually(() => expect(checkpoint("cp").status.restore).toMatchObject({ state: "Restored" }));
});

test("a damaged layer and a missing one fail the verification, with the reason, and do no harm to the Checkpoint", async () => {
  engine.runPod({ metadata: { name: "web" }, spec: SPEC });
  const before = await steps.reach("web", NAMES, () => 3);
  await steps.taken("cp", "web");
  policy("prove", {});
  const layer = await largestLayer("cp");
  const content = readFileSync(layer);
  const damaged = Buffer.from(content);
  const middle = Math.floor(statSync(layer).size / 2);
  damaged[middle] = damaged[middle]! ^ 1;
  writeFileSync(layer, damaged);
  request("web");
  const first = await outcome("cp");
  // The registry of the test bed compares digests itself: it has no such blob. The agent retries until its time is over.
  expect(textOf(first)).toMatch(/^Failed DeadlineExceeded: .*404 BLOB_UNKNOWN/);
  renameSync(layer, `${layer}.away`);
  request("web");
  const second = await outcome("cp", first.time);
  expect(textOf(second)).toMatch(/^Failed DeadlineExceeded: .*404 BLOB_UNKNOWN/);
  expect(checkpoint("cp").status.restore).toBeUndefined();
  expect(
    engine.kubectl(["get", "checkpointpolicy", "prove", "-o", "jsonpath={.status.lastFailures}"]),
  ).toContain(first.reason);
  writeFileSync(layer, content);
  engine.kubectl(["delete", "pod", "web"]);
  engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec: SPEC });
  await steps.resumed("web", NAMES, before);
});

test("the program of a restored container that ends fails the verification", async () => {
  const shell = {
    name: "shell",
    image: "localhost:5000/busybox:1",
    // It ends some seconds after the checkpoint.
    command: [
      "/bin/sh",
      "-c",
      "while [ ! -e /data/end ]; do sleep 1; done; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1; done; exit 3",
    ],
    ...DATA,
  };
  engine.runPod({
    metadata: { name: "web" },
    spec: { ...SPEC, restartPolicy: "Never", containers: [shell] },
  });
  inShell("web", ": > /data/end");
  await steps.taken("cp", "web");
  policy("prove", { runSeconds: 60 });
  request("web");
  expect(textOf(await outcome("cp"))).toMatch(/^Failed Exited: .* exited with code 3 /);
  await eventually(() => expect(sandboxes()).toEqual([]));
});

test("the controller logged no errors and no Node.js warnings", () => {
  expect(steps.controllerErrors()).toEqual([]);
});
