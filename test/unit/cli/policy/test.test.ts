import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../../../support/cli";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "policy-test-"));
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z"), doNotFake: ["nextTick", "setImmediate"] });
});
afterEach(() => {
  jest.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: readonly string[]) => runCli(["policy", "test", ...args], { folder });
const give = (name: string, text: string) => writeFileSync(join(folder, name), text);

const pod = (name: string, namespace: string, labels: object, more: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, uid: `${name}-uid`, labels },
  spec: { nodeName: "n1", containers: [{ name: "main", image: "registry.example.com/web:1" }] },
  status: {
    phase: "Running",
    containerStatuses: [{ name: "main", state: { running: { startedAt: "2026-11-27T11:59:00Z" } } }],
  },
  ...more,
});

const PODS = JSON.stringify({
  kind: "List",
  items: [
    pod("web-0", "team-a", { app: "web" }),
    pod("web-1", "team-a", { app: "web" }, { status: { phase: "Pending" } }),
    pod("db-0", "team-a", { app: "db" }),
    pod("web-0", "team-b", { app: "web" }),
    pod("verify-web-0", "team-a", { app: "web", "cedana.ai/verification": "x" }),
    pod(
      "ends",
      "team-a",
      {},
      { metadata: { name: "ends", namespace: "team-a", deletionTimestamp: "2026-11-27T12:00:00Z" } },
    ),
    { kind: "Namespace", metadata: { name: "team-a" } },
    { kind: "Namespace", metadata: { name: "team-b", labels: { tier: "gold" } } },
  ],
});

const NIGHTLY = `
apiVersion: automation.cedana.ai/v1alpha1
kind: CheckpointPolicy
metadata: { name: nightly, namespace: team-a }
spec:
  trigger: { heartbeat: { cron: "0 3 * * *", timeZone: Europe/Berlin } }
  filter:
    pods: { matchLabels: { app: web } }
    expression: pod.spec.priorityClassName == 'batch' || pod.spec.containers.size() == 1
  action: { checkpoint: {} }
---
apiVersion: automation.cedana.ai/v1alpha1
kind: ClusterCheckpointPolicy
metadata: { name: gold }
spec:
  trigger: { manual: {} }
  filter: { namespaceSelector: { matchLabels: { tier: gold } }, minRunningSeconds: 3600 }
  action: { checkpoint: {} }
`;

test("shows which pods match, why others do not, and when the policies are due", async () => {
  give("policies.yaml", NIGHTLY);
  give("pods.json", PODS);
  const { status, stdout, stderr } = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(stderr).toBe("");
  expect(stdout).toBe(`CheckpointPolicy team-a/nightly matches 1 of 3 pods
  due    2026-11-28T02:00:00.000Z, 2026-11-29T02:00:00.000Z, 2026-11-30T02:00:00.000Z, 2026-12-01T02:00:00.000Z, 2026-12-02T02:00:00.000Z; a pod up to 60 s later
  web-0  matches
  web-1  phases does not match ["Running"], the default
  db-0   pods does not match {"matchLabels":{"app":"web"}}

ClusterCheckpointPolicy gold matches 0 of 4 pods
  due           when the annotation cedana.ai/checkpoint-requested-at of a pod or its workload requests it
  team-a/web-0  namespaceSelector does not match {"matchLabels":{"tier":"gold"}}; minRunningSeconds does not match 3600
  team-a/web-1  namespaceSelector does not match {"matchLabels":{"tier":"gold"}}; minRunningSeconds does not match 3600; phases does not match ["Running"], the default
  team-a/db-0   namespaceSelector does not match {"matchLabels":{"tier":"gold"}}; minRunningSeconds does not match 3600
  team-b/web-0  minRunningSeconds does not match 3600
`);
  // A policy matches no pod.
  expect(status).toBe(1);
});

test("prints JSON for programs, and succeeds if each policy matches a pod", async () => {
  give("policies.yaml", NIGHTLY.split("---")[0] ?? "");
  give("pods.json", PODS);
  const { status, stdout } = await run("-f", "policies.yaml", "--pods", "pods.json", "--output", "json");
  const { policies } = JSON.parse(stdout) as { policies: Record<string, unknown>[] };
  expect(policies).toMatchObject([
    {
      kind: "CheckpointPolicy",
      namespace: "team-a",
      name: "nightly",
      matched: 1,
      schedule: { trigger: "heartbeat", jitterSeconds: 60 },
    },
  ]);
  expect(status).toBe(0);
});

test("reads the policies and namespaces of a platform file", async () => {
  give(
    "cedana.yaml",
    `version: 1
engine: { kind: criu, image: { repository: r.example.com/agent, tag: "1" }, repository: r.example.com/checkpoints }
install:
  controller: { image: { repository: r.example.com/controller, tag: "1" } }
  checkpoints: { namespaces: [team-a] }
  policies:
    clusterCheckpointPolicies:
      - name: web
        trigger: { heartbeat: { intervalSeconds: 900 } }
        filter: { namespaceSelector: {}, expression: "pod.spec.priorityClassName == 'batch'" }
        action: { checkpoint: {} }
`,
  );
  give("pods.json", PODS);
  const { status, stdout } = await run("--pods", "pods.json");
  expect(stdout).toContain("ClusterCheckpointPolicy web matches 0 of 3 pods\n");
  expect(stdout).toContain("2026-11-27T12:15:00.000Z, ");
  expect(stdout).toContain("a pod up to 900 s later");
  expect(stdout).toContain("team-a/db-0   expression cannot be evaluated: No such key: priorityClassName\n");
  expect(status).toBe(1);
});

test("fails if a policy is never due, although pods match", async () => {
  const [heartbeat = ""] = NIGHTLY.split("---");
  give("pods.json", PODS);
  give("policies.yaml", heartbeat.replace("0 3 * * *", "0 3 * * 5-TUE"));
  const never = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(never.stdout).toContain("  problem  cron 0 3 * * 5-TUE in the time zone Europe/Berlin is invalid: ");
  expect([never.status, never.stdout.includes("  due      never\n")]).toEqual([1, true]);

  const memory = heartbeat.replace(/heartbeat: \{.*\} \}/, "memory: { percent: 80 } }");
  give("policies.yaml", memory);
  const noLimit = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(noLimit.stdout).toContain(
    "  web-0  matches, and is never due: percent has no effect: container main without a memory limit; set bytes, or resources.limits.memory\n",
  );
  expect(noLimit.status).toBe(1);
  give("policies.yaml", memory.replace("percent: 80", "bytes: 1Gi"));
  expect((await run("-f", "policies.yaml", "--pods", "pods.json")).status).toBe(0);
});

test("names a namespace that the file of pods does not have, instead of assuming no labels", async () => {
  give("policies.yaml", NIGHTLY.split("---")[1] ?? "");
  give("pods.json", JSON.stringify(pod("web-0", "team-c", {})));
  const { status, stdout } = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(stdout).toContain(
    "team-c/web-0  namespaceSelector cannot be evaluated: pods.json has no Namespace team-c; minRunning",
  );
  expect(status).toBe(1);
});

test("reports an invalid expression together with the other problems", async () => {
  give(
    "policies.yaml",
    NIGHTLY.replace("0 3 * * *", "0 25 * * *").replace("pod.spec.priorityClassName", "pod.spec.priorityClas"),
  );
  const { status, stderr } = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(stderr).toContain("spec.trigger.heartbeat  breaks a rule of its kind: cron must have five fields");
  expect(stderr).toContain("spec.filter.expression  is not a CEL expression over pod: character 10");
  expect(status).toBe(2);
  give("policies.yaml", NIGHTLY.replace("pod.spec.priorityClassName == 'batch'", "true == ".repeat(200)));
  const long = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(long.stderr.match(/spec.filter.expression/g)).toHaveLength(1);
});

test.each<[string, string, string | undefined, string]>([
  [
    "a policy that the API server would reject",
    NIGHTLY.replace("0 3 * * *", "0 25 * * *"),
    PODS,
    "policies.yaml: CheckpointPolicy nightly: spec.trigger.heartbeat  breaks a rule of its kind: cron must have five fields",
  ],
  [
    "an expression that is invalid",
    NIGHTLY.replace("pod.spec.priorityClassName", "pod.spec.priorityClas"),
    PODS,
    "spec.filter.expression  is not a CEL expression over pod: character 10: No such key: priorityClas",
  ],
  ["no policy", "kind: ConfigMap\nmetadata: { name: x }\n", PODS, "policies.yaml: has no policy"],
  [
    "a name that is too long",
    NIGHTLY.replace("name: nightly", `name: ${"a".repeat(64)}`),
    PODS,
    "metadata.name",
  ],
  [
    "a version that the API server does not serve",
    NIGHTLY.replace("/v1alpha1", "/v1"),
    PODS,
    'policies.yaml: CheckpointPolicy nightly: apiVersion  is not the version of the kind; given: "automation.cedana.ai/v1"; allowed: automation.cedana.ai/v1alpha1',
  ],
  [
    "a policy without a name",
    NIGHTLY.replace("name: nightly, ", ""),
    PODS,
    "policies.yaml: CheckpointPolicy without a name: metadata.name",
  ],
  ["a pod without a name", NIGHTLY, "kind: Pod\nmetadata: {}\n", "pods.json: a Pod has no metadata.name"],
  ["broken YAML", "kind: [", PODS, "policies.yaml: is invalid YAML"],
  ["no pods", NIGHTLY, "kind: List\nitems: []\n", "pods.json: has no pod"],
  ["a file of pods that does not exist", NIGHTLY, undefined, "pods.json: cannot be read (ENOENT)"],
])("rejects %s with exit code 2", async (_, policies, pods, message) => {
  give("policies.yaml", policies);
  if (pods !== undefined) give("pods.json", pods);
  const { status, stdout, stderr } = await run("-f", "policies.yaml", "--pods", "pods.json");
  expect(stderr).toContain(message);
  expect(stdout).toBe("");
  expect(status).toBe(2);
});

test("a policy that does not work on pods matches none, and is no failure", async () => {
  give("pods.json", PODS);
  const [kind, rest = ""] = NIGHTLY.split("spec:");
  expect(rest).not.toBe("");
  give(
    "policy.yaml",
    `${kind}spec:
  trigger: { heartbeat: { intervalSeconds: 86400, jitterSeconds: 0 } }
  action: { deleteCheckpoints: { keepLast: 3 } }
`,
  );
  const { status, stdout } = await run("-f", "policy.yaml", "--pods", "pods.json");
  expect([status, stdout.split("\n")[0]]).toEqual([
    0,
    "CheckpointPolicy team-a/nightly would delete 0 of 0 Checkpoints, 0 of 0 bytes",
  ]);
});

test("a file that does not exist is reported as by the other commands", async () => {
  expect(await run("-f", "none.yaml", "--pods", "x")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("none.yaml: no such file") as string,
  });
});
