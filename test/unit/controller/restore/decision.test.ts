import { at, byPlan, checkpoint, decided, saved, type Checkpoints, type Pod } from "./support";

/** Returns the name of the selected Checkpoint, or why there is none. */
function outcome(pod: Pod, checkpoints: Checkpoints, running?: readonly string[]): string {
  const decision = decided(pod, checkpoints, running);
  return decision.is === "restore" ? decision.checkpoint.metadata.name : `${decision.is}: ${decision.reason}`;
}

const named = (from: string, more: Record<string, string> = {}) => ({
  annotations: { "cedana.ai/restore-from": from, ...more },
});
const DEPLOYED = {
  generateName: "api-6c-",
  owner: { kind: "ReplicaSet", name: "api-6c" },
  labels: { "pod-template-hash": "6c" },
};
const ofDeployment = (name: string, pod: string, minutes: number, more: object = {}) =>
  checkpoint({
    name,
    pod,
    minutes,
    owner: { kind: "ReplicaSet", name: "api-6c" },
    hash: "6c",
    ...more,
  });

test("with one repository per namespace, restores from that of the namespace, and from the one before", () => {
  const [criu] = byPlan({ amd64: "cedana-criu-amd64" }).values();
  const methods = new Map([["criu", { ...criu!, repositoryPerNamespace: true }]]);
  const from = (path: string) => {
    const location = `registry.example.com/${path}@sha256:${"a".repeat(64)}`;
    const decision = decided({}, [checkpoint({ containers: [saved("app", { location })] })], [], methods);
    return decision.is === "restore" ? "restore" : decision.reason;
  };
  expect(from("checkpoints/team-a")).toBe("restore");
  expect(from("checkpoints")).toBe("restore");
  for (const other of ["checkpoints/team-b", "checkpoints/team-a/x", "team-a"])
    expect(from(other)).toMatch(
      /allowed: registry.example.com\/checkpoints\/team-a@sha256:<digest> or registry.example.com\/checkpoints@sha256:<digest>$/,
    );
});

describe("latest selects", () => {
  test("the newest of 20,000 Checkpoints of a pod, and reads the time of each once", () => {
    const order = (index: number) => (index * 7919) % 20_000;
    const all = Array.from({ length: 20_000 }, (_, index) =>
      checkpoint({ name: `c-${order(index)}`, minutes: order(index) }),
    );
    const parse = jest.spyOn(Date, "parse");
    expect(outcome({}, all)).toBe("c-19999");
    expect(parse.mock.calls.length).toBeLessThanOrEqual(20_000);
    parse.mockRestore();
  });

  test("for a pod of a StatefulSet its newest Checkpoint", () => {
    const all = [
      checkpoint({ name: "zero-old", minutes: 1 }),
      checkpoint({ name: "zero-new", minutes: 2 }),
      checkpoint({ name: "one", pod: "web-1", minutes: 3 }),
      checkpoint({
        name: "other",
        minutes: 4,
        owner: { kind: "StatefulSet", name: "db" },
      }),
    ];
    expect(outcome({}, all)).toBe("zero-new");
    expect(outcome({ name: "web-1" }, all)).toBe("one");
    expect(outcome({ name: "web-2" }, all)).toBe(
      "fresh: no completed Checkpoint of StatefulSet web, pod web-2 exists",
    );
  });

  test("no Checkpoint older than a restored one", () => {
    const restored = {
      restore: { state: "Restored", podName: "web-0", time: at(3) },
    };
    const all = [
      checkpoint({ name: "old", minutes: 1 }),
      checkpoint({ name: "new", minutes: 2, status: restored }),
    ];
    expect(outcome({}, all)).toBe(
      'fresh: Checkpoint new: pod web-0 was restored from it; set cedana.ai/restore-shared: "true" to share it',
    );
    expect(outcome({ annotations: { "cedana.ai/restore-shared": "true" } }, all)).toBe("new");
  });

  test("for a pod of a Deployment the newest Checkpoint of a deleted pod that is not claimed", () => {
    const all = [
      ofDeployment("a-old", "api-6c-aaaaa", 1),
      ofDeployment("a-new", "api-6c-aaaaa", 5),
      ofDeployment("b", "api-6c-bbbbb", 3),
    ];
    expect(outcome(DEPLOYED, all)).toBe("a-new");
    expect(outcome(DEPLOYED, all, ["uid-of-api-6c-aaaaa"])).toBe("b");
    const taken = {
      restore: { state: "Claimed", claim: "x", podUID: "p", time: at(6) },
    };
    const rest = [
      ...all.slice(0, 1),
      ofDeployment("a-new", "api-6c-aaaaa", 5, { status: taken }),
      ...all.slice(2),
    ];
    expect(outcome(DEPLOYED, rest)).toBe("b");
    expect(outcome(DEPLOYED, rest, ["uid-of-api-6c-bbbbb"])).toMatch(
      /^fresh: Checkpoint a-new: another pod is being restored.*; Checkpoint b: its source pod api-6c-bbbbb is still running$/,
    );
  });

  test("no Checkpoint of another pod template, which must be named", () => {
    const old = ofDeployment("old", "api-5b-aaaaa", 1, {
      owner: { kind: "ReplicaSet", name: "api-5b" },
      hash: "5b",
    });
    expect(outcome(DEPLOYED, [old])).toBe(
      "fresh: Checkpoint old of Deployment api has another pod template; name it to restore it",
    );
    expect(outcome({ ...DEPLOYED, ...named("old") }, [old])).toBe("old");
    const set = checkpoint({ hash: "rev-0" });
    expect(outcome({}, [set])).toMatch("another pod template");
    expect(outcome({ ...DEPLOYED, owner: { kind: "ReplicaSet", name: "apis-6c" } }, [old])).toBe(
      "fresh: no completed Checkpoint of Deployment apis exists",
    );
  });

  test.each<[string, Pod, Checkpoints, string]>([
    [
      "none for a recreated Job",
      {
        generateName: "train-",
        owner: {
          apiVersion: "batch/v1",
          kind: "Job",
          name: "train",
          uid: "new",
        },
      },
      [
        checkpoint({
          pod: "train-abcde",
          owner: {
            apiVersion: "batch/v1",
            kind: "Job",
            name: "train",
            uid: "old",
          },
        }),
      ],
      "fresh: no completed Checkpoint of Job train exists",
    ],
    [
      "for an indexed Job the Checkpoint of the same index",
      {
        generateName: "train-1-",
        owner: { apiVersion: "batch/v1", kind: "Job", name: "train" },
      },
      ["train-0-abcde", "train-1-abcde", "train-11-abcde"].map((pod) =>
        checkpoint({
          name: pod,
          pod,
          owner: { apiVersion: "batch/v1", kind: "Job", name: "train" },
        }),
      ),
      "train-1-abcde",
    ],
    [
      "for a pod without an owner the Checkpoint of the same pod name",
      { name: "lone", owner: undefined, labels: {} },
      [
        checkpoint({ name: "of-web", pod: "lone", minutes: 2 }),
        checkpoint({
          name: "mine",
          pod: "lone",
          owner: undefined,
          hash: "",
          minutes: 1,
        }),
      ],
      "mine",
    ],
    [
      "for other kinds of owners the Checkpoint of the same pod name",
      {
        owner: { apiVersion: "kubeflow.org/v1", kind: "PyTorchJob", name: "p" },
        labels: {},
      },
      [
        checkpoint({
          owner: {
            apiVersion: "kubeflow.org/v2",
            kind: "PyTorchJob",
            name: "p",
          },
          hash: "",
        }),
      ],
      "before",
    ],
    [
      "none for a DaemonSet",
      { generateName: "d-", owner: { kind: "DaemonSet", name: "d" } },
      [checkpoint({ pod: "d-abcde", owner: { kind: "DaemonSet", name: "d" } })],
      "fresh: latest does not apply to pods of a DaemonSet: name a Checkpoint",
    ],
  ])("%s", (_, pod, checkpoints, expected) => {
    expect(outcome(pod, checkpoints)).toBe(expected);
  });
});

describe("a pod is not restored if", () => {
  const BY_NAME = named("before");
  const one = (status: object, more: object = {}) => [checkpoint({ status, ...more })];
  const claim = (restore: object) => one({ restore: { time: at(1), ...restore } });
  const spec = (more: object): Pod => ({ ...BY_NAME, spec: more });
  const arm = [checkpoint({ containers: [saved("app", { architecture: "arm64" })] })];
  const terms = (operator: string, values: string[]) =>
    spec({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              {
                matchExpressions: [{ key: "kubernetes.io/arch", operator, values }],
              },
            ],
          },
        },
      },
    });

  test.each<[string, Pod, Checkpoints, RegExp]>([
    ["the Checkpoint does not exist", named("gone"), [], /^Checkpoint gone does not exist in the namespace$/],
    [
      "the Checkpoint is not completed",
      BY_NAME,
      one({
        conditions: [
          {
            type: "Ready",
            status: "False",
            reason: "Pending",
            message: "waits",
          },
        ],
      }),
      /it is not completed: Pending, waits$/,
    ],
    [
      "the Checkpoint is being deleted",
      BY_NAME,
      one({}, { metadata: { deletionTimestamp: at(1) } }),
      /it is being deleted$/,
    ],
    ["the Checkpoint is of another engine", BY_NAME, one({ engine: "cedana" }), /its engine is cedana;/],
    [
      "an earlier restore failed",
      BY_NAME,
      claim({ state: "Failed", message: "criu failed" }),
      /its restore failed \(criu failed\) and is not retried$/,
    ],
    [
      "an earlier restore of a shared Checkpoint failed",
      named("before", { "cedana.ai/restore-shared": "true" }),
      claim({ state: "Failed" }),
      /and is not retried$/,
    ],
    [
      "another pod was restored from it",
      BY_NAME,
      claim({ state: "Restored", podName: "web-9" }),
      /pod web-9 was restored from it;/,
    ],
    [
      "another pod may have been restored from it",
      BY_NAME,
      claim({ state: "Unknown" }),
      /another pod may have been restored from it;/,
    ],
    [
      "the container does not exist",
      { ...BY_NAME, containers: [{ name: "b", image: "app:1" }] },
      one({}),
      /no container app$/,
    ],
    [
      "the image differs",
      { ...BY_NAME, containers: [{ name: "app", image: "app:2" }] },
      one({}),
      /container app has image app:2; it was checkpointed with app:1$/,
    ],
    ...[
      "registry.example.com/checkpoints:1",
      "registry.example.com/checkpoints@sha256:aa",
      `registry.example.com/checkpoints/other@sha256:${"a".repeat(64)}`,
      `registry.example.com/checkpoints:1@sha256:${"a".repeat(64)}`,
      `evil.example.com/checkpoints@sha256:${"a".repeat(64)}`,
      `evil.example.com/registry.example.com/checkpoints@sha256:${"a".repeat(64)}`,
    ].map((location): [string, Pod, Checkpoints, RegExp] => [
      `the checkpoint is ${location}`,
      BY_NAME,
      one({ containers: [saved("app", { location })] }),
      /the checkpoint of container app is \S+; allowed: registry.example.com\/checkpoints@sha256:<digest>$/,
    ]),
    [
      "the checkpoint is unknown",
      BY_NAME,
      one({ containers: [saved("app", { location: undefined })] }),
      /the checkpoint of container app is unknown/,
    ],
    [
      "no container was checkpointed",
      BY_NAME,
      one({ containers: [saved("app", { completionTime: undefined })] }),
      /has no completed container$/,
    ],
    [
      "the nodeSelector requires another architecture",
      spec({ nodeSelector: { "kubernetes.io/arch": "amd64" } }),
      arm,
      /arch=arm64, but.*arch=amd64$/,
    ],
    [
      "the affinity requires another architecture",
      terms("In", ["amd64"]),
      arm,
      /arch=arm64, which.*affinity excludes$/,
    ],
    ["the affinity excludes the architecture", terms("NotIn", ["arm64"]), arm, /affinity excludes$/],
    [
      "the containers have different architectures",
      {
        ...BY_NAME,
        containers: [
          { name: "app", image: "app:1" },
          { name: "b", image: "b:1" },
        ],
      },
      [
        checkpoint({
          containers: [saved("app", { architecture: "arm64" }), saved("b", { architecture: "amd64" })],
        }),
      ],
      /its containers have architectures arm64 \(app\) and amd64 \(b\)$/,
    ],
    [
      "the nodeSelector excludes gated nodes",
      spec({ nodeSelector: { "cedana.ai/enabled": "no" } }),
      one({}),
      /enabled=true, but/,
    ],
  ])("%s", (_, pod, checkpoints, reason) => {
    const fresh = decided(pod, checkpoints);
    expect(fresh).toEqual({
      is: "fresh",
      reason: expect.stringMatching(reason),
      cause: expect.stringMatching(/^[A-Z]/),
    });
    const stop = {
      ...pod,
      annotations: {
        ...pod?.annotations,
        "cedana.ai/restore-fallback": "stop",
      },
    };
    expect(decided(stop, checkpoints)).toEqual({ ...fresh, is: "deny" });
  });

  test("it waits for a claim without a pod, and takes over a claim for its own name", () => {
    expect(decided(BY_NAME, claim({ state: "Claimed", claim: "x" })).is).toBe("busy");
    expect(
      decided(BY_NAME, claim({ state: "Claimed", claim: "x", podName: "web-0", podUID: "old" })).is,
    ).toBe("restore");
    expect(decided(BY_NAME, claim({ state: "Claimed", claim: "x", podName: "web-1" })).is).toBe("busy");
    expect(decided(BY_NAME, claim({ state: "Claimed", podName: "web-1", podUID: "p" })).is).toBe("fresh");
  });

  test.each([
    [{ "cedana.ai/restore-from": "" }, 'restore-from is ""'],
    [{ "cedana.ai/restore-from": "A b" }, 'restore-from is "A b"; allowed: latest, or the name'],
    [{ "cedana.ai/restore-fallback": "stpo" }, 'restore-fallback is "stpo"; allowed: fresh or stop'],
    [{ "cedana.ai/restore-shared": "yes" }, 'restore-shared is "yes"; allowed: "true" or "false"'],
  ])("it is rejected with invalid annotations: %j", (annotations, expected) => {
    expect(outcome({ annotations }, [])).toContain(expected);
  });
});
