import type { CedanaEngineSpec, InstallSpec } from "../../../../config";
import { formatProblem, InvalidInputError } from "../../../../config/schema/problem";
import { synth } from "./support";

/** Returns the problems of the input, one line each. Throws any other error. */
function problems(install: InstallSpec, engine: Partial<CedanaEngineSpec> = {}): string[] {
  try {
    synth(install, engine);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

const Exists = "Exists" as const;
const queues = (more: object) => ({ kueue: { localQueues: [{ namespace: "a" }], ...more } });

// Input whose objects the API server or Kueue would reject: synth reports all problems at once.
test.each<[string, InstallSpec, Partial<CedanaEngineSpec>?]>([
  ["an empty toleration", {}, { manager: { tolerations: [{}] } }],
  ["a value with Exists", { helper: { tolerations: [{ key: "a", operator: Exists, value: "b" }] } }],
  [
    "seconds without NoExecute",
    {},
    {
      dynamoWatcher: {
        namespaces: "all",
        tolerations: [{ key: "a", operator: Exists, tolerationSeconds: 3 }],
      },
    },
  ],
  ["a rollout that replaces nothing", { helper: { updateStrategy: { maxUnavailable: "0%" } } }],
  ["a rollout with maxSurge and maxUnavailable", { helper: { updateStrategy: { maxSurge: 1 } } }],
  ["a limit below the request", { helper: { resources: { limits: { memory: "64Mi" } } } }],
  [
    "requests above limits in other units",
    { healthCheck: { resources: { requests: { memory: "1G" }, limits: { memory: "900Mi" } } } },
    { manager: { resources: { requests: { cpu: "1500m" }, limits: { cpu: "1.4" } } } },
  ],
  [
    "amounts with a unit that Kubernetes does not have",
    queues({ flavors: [{ quotas: { memory: "2000GB" } }] }),
    {
      manager: { resources: { requests: { memory: "1K" }, limits: { memory: "-1" } } },
      runtimeClass: { overhead: { cpu: "NaN" } },
    },
  ],
  [
    "a request above its limit by less than the precision of a double",
    {},
    {
      manager: {
        resources: { requests: { memory: "9007199254740993" }, limits: { memory: "9007199254740992" } },
      },
    },
  ],
  ["a Secret named twice", { imagePullSecrets: ["a", "b", "a"] }],
  ["a name of a Service that begins with a digit", { name: "1cedana" }],
  ["a tag in the repository", {}, { helper: { image: { repository: "cedana/cedana-helper:v1" } } }],
  [
    "a rule without verbs",
    {},
    { manager: { extraRules: [{ apiGroups: [""], resources: ["pods"], verbs: [] }] } },
  ],
  [
    "rules without resources and URLs, or with both",
    {},
    {
      manager: {
        extraRules: [
          { verbs: ["get"] },
          { verbs: ["get"], resources: ["pods"] },
          { verbs: ["get"], apiGroups: [""], resources: ["pods"], nonResourceURLs: ["/metrics"] },
        ],
      },
    },
  ],
  ["a requester without name", {}, { attachAccount: { tokenRequesters: [{ kind: "User", name: "" }] } }],
  ["the agent's account for the manager", {}, { manager: { serviceAccount: { name: "cedana-agent" } } }],
  ["the manager's account to attach", {}, { attachAccount: { name: "cedana-controller-manager" } }],
  ["the manager's role to attach", {}, { attachAccount: { name: "cedana-manager-role" } }],
  ["a queue twice", queues({ localQueues: [{ namespace: "a" }, { namespace: "a" }] })],
  ["a queue without quotas", queues({ flavors: [{ quotas: {} }] })],
  ["a port that does not exist", {}, { protocol: "tcp", address: "127.0.0.1:99999" }],
  [
    "a Service for a daemon on the loopback address",
    {},
    { helper: { service: {} }, protocol: "tcp", exposeDaemon: true },
  ],
  ["a socket in /tmp", {}, { address: "/tmp/cedana.sock" }],
  ["a socket in /host", {}, { address: "/host/run/cedana.sock" }],
  ["a socket with a parent path", {}, { address: "/run/../etc/cedana.sock" }],
  ["a socket without name", {}, { address: "/run/cedana/" }],
  ["a long socket", {}, { address: `/run/cedana/${"a".repeat(96)}` }],
  ["a URL with a port that does not exist", {}, { url: "https://cedana.example:99999/v1" }],
  // Tolerations that admit pods to gated nodes.
  ["a toleration of every taint", {}, { runtimeClass: { tolerations: [{ operator: Exists }] } }],
  [
    "a toleration of the startup taint in a queue",
    queues({ flavors: [{ tolerations: [{ key: "cedana.ai/not-ready", operator: Exists }] }] }),
  ],
])("rejects %s", (_, install, engine = {}) => {
  expect(problems(install, engine)).toMatchSnapshot();
});

test.each<[string, InstallSpec, Partial<CedanaEngineSpec>?]>([
  ["a surge", { helper: { updateStrategy: { maxSurge: "10%", maxUnavailable: 0 } } }],
  ["a manual rollout", { helper: { updateStrategy: { type: "OnDelete", maxUnavailable: 0 } } }],
  [
    "equal request and limit",
    {},
    { manager: { resources: { requests: { cpu: "1000m" }, limits: { cpu: "1" } } } },
  ],
  [
    "amounts in every form of Kubernetes",
    {},
    {
      manager: {
        resources: { requests: { cpu: "500e-3", memory: "1e6" }, limits: { cpu: "+.5", memory: "1.Mi" } },
      },
    },
  ],
  [
    "a registry with a port",
    {},
    { helper: { image: { repository: "registry.example:5000/cedana/cedana__helper" } } },
  ],
  ["a repository on Docker Hub", {}, { manager: { image: { repository: "cedana-controller" } } }],
  ["one taint by key", {}, { runtimeClass: { tolerations: [{ operator: Exists, effect: "NoExecute" }] } }],
  ["both namespaces the same", { namespace: "a", agentNamespace: "a" }],
  ["a socket of 107 bytes", {}, { address: `/run/cedana/${"a".repeat(95)}` }],
  ["queues of one name in two namespaces", queues({ localQueues: [{ namespace: "a" }, { namespace: "b" }] })],
])("accepts %s", (_, install, engine = {}) => {
  expect(problems(install, engine)).toEqual([]);
});

test("rejects an S3 URL without a bucket", () => {
  const key = { name: "s", key: "k" };
  const secrets = { awsAccessKeyId: key, awsSecretAccessKey: key };
  const store = (checkpointDir: string) => problems({}, { checkpointDir, awsRegion: "eu-west-1", secrets });
  expect(store("s3://bucket/a")).toEqual([]);
  expect(store("s3:///a")).toEqual([
    'checkpointDir  has no bucket; given: "s3:///a"; allowed: s3://<bucket>/<path>',
  ]);
});
