import { at, checkpoint, decided, saved, type Checkpoints, type Pod } from "./support";

/** Name of the Checkpoint, or why there is none. */
function outcome(pod: Pod, checkpoints: Checkpoints, running?: readonly string[]): string {
  const decision = decided(pod, checkpoints, running);
  return decision.is === "restore" ? decision.checkpoint.metadata.name : `${decision.is}: ${decision.why}`;
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

describe("latest", () => {
  test("of a StatefulSet: each pod its own, the newest", () => {
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
      "fresh: there is no completed Checkpoint of StatefulSet web, pod web-2",
    );
  });

  test("never back behind a state that was restored already", () => {
    const restored = {
      restore: { state: "Restored", podName: "web-0", time: at(3) },
    };
    const all = [
      checkpoint({ name: "old", minutes: 1 }),
      checkpoint({ name: "new", minutes: 2, status: restored }),
    ];
    expect(outcome({}, all)).toBe(
      'fresh: Checkpoint new: pod web-0 was restored from it; cedana.ai/restore-shared: "true" lets several pods',
    );
    expect(outcome({ annotations: { "cedana.ai/restore-shared": "true" } }, all)).toBe("new");
  });

  test("of a Deployment: the newest of each pod that is gone, one for each new pod", () => {
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
      /^fresh: Checkpoint a-new: another pod is being restored.*; Checkpoint b: pod api-6c-bbbbb, of which it is, runs still$/,
    );
  });

  test("another pod template is not restored, unless it is named", () => {
    const old = ofDeployment("old", "api-5b-aaaaa", 1, {
      owner: { kind: "ReplicaSet", name: "api-5b" },
      hash: "5b",
    });
    expect(outcome(DEPLOYED, [old])).toBe(
      "fresh: Checkpoint old of Deployment api is of another pod template; name it to restore it all the same",
    );
    expect(outcome({ ...DEPLOYED, ...named("old") }, [old])).toBe("old");
    const set = checkpoint({ hash: "rev-0" });
    expect(outcome({}, [set])).toMatch("another pod template");
    expect(outcome({ ...DEPLOYED, owner: { kind: "ReplicaSet", name: "apis-6c" } }, [old])).toBe(
      "fresh: there is no completed Checkpoint of Deployment apis",
    );
  });

  test.each<[string, Pod, Checkpoints, string]>([
    [
      "a Job that is made anew begins anew",
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
      "fresh: there is no completed Checkpoint of Job train",
    ],
    [
      "a pod of an indexed Job goes on from its index",
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
      "a pod of nobody goes on from one of its name",
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
      "another kind of owner that names its pods",
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
      "not a DaemonSet's",
      { generateName: "d-", owner: { kind: "DaemonSet", name: "d" } },
      [checkpoint({ pod: "d-abcde", owner: { kind: "DaemonSet", name: "d" } })],
      "fresh: latest is not for pods of a DaemonSet: name a Checkpoint",
    ],
  ])("%s", (_, pod, checkpoints, expected) => {
    expect(outcome(pod, checkpoints)).toBe(expected);
  });
});

describe("guards", () => {
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
    ["no such Checkpoint", named("gone"), [], /^there is no Checkpoint gone in the namespace$/],
    [
      "not completed",
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
    ["being deleted", BY_NAME, one({}, { metadata: { deletionTimestamp: at(1) } }), /it is being deleted$/],
    ["another engine", BY_NAME, one({ engine: "cedana" }), /engine cedana took it/],
    [
      "failed before",
      BY_NAME,
      claim({ state: "Failed", message: "criu failed" }),
      /\(criu failed\); it is not tried again$/,
    ],
    [
      "failed before, also where pods share it",
      named("before", { "cedana.ai/restore-shared": "true" }),
      claim({ state: "Failed" }),
      /it is not tried again$/,
    ],
    ["restored", BY_NAME, claim({ state: "Restored", podName: "web-9" }), /pod web-9 was restored from it;/],
    ["maybe restored", BY_NAME, claim({ state: "Unknown" }), /another pod may have been restored from it;/],
    [
      "another container",
      { ...BY_NAME, containers: [{ name: "b", image: "app:1" }] },
      one({}),
      /no container app$/,
    ],
    [
      "another image",
      { ...BY_NAME, containers: [{ name: "app", image: "app:2" }] },
      one({}),
      /container app has image app:2; it was checkpointed with app:1$/,
    ],
    [
      "no image by digest",
      BY_NAME,
      one({ containers: [saved("app", { location: "a/b:1" })] }),
      /was not kept$/,
    ],
    [
      "no container",
      BY_NAME,
      one({ containers: [saved("app", { completionTime: undefined })] }),
      /has no container$/,
    ],
    [
      "another architecture",
      spec({ nodeSelector: { "kubernetes.io/arch": "amd64" } }),
      arm,
      /arch=arm64, and.*arch=amd64$/,
    ],
    [
      "affinity to another architecture",
      terms("In", ["amd64"]),
      arm,
      /arch=arm64, which.*affinity excludes$/,
    ],
    ["affinity away from the architecture", terms("NotIn", ["arm64"]), arm, /affinity excludes$/],
    [
      "two architectures",
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
      /its containers are of arm64 \(app\) and amd64 \(b\)$/,
    ],
    [
      "nodes without checkpoints",
      spec({ nodeSelector: { "cedana.ai/enabled": "no" } }),
      one({}),
      /enabled=true, and/,
    ],
  ])("%s", (_, pod, checkpoints, why) => {
    const fresh = decided(pod, checkpoints);
    expect(fresh).toEqual({ is: "fresh", why: expect.stringMatching(why) });
    const stop = {
      ...pod,
      annotations: {
        ...pod?.annotations,
        "cedana.ai/restore-fallback": "stop",
      },
    };
    expect(decided(stop, checkpoints)).toEqual({ ...fresh, is: "deny" });
  });

  test("a claim of an admission that may come to nothing is waited for; one of the pod's own name is its own", () => {
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
  ])("annotations that say nothing known are told: %j", (annotations, said) => {
    expect(outcome({ annotations }, [])).toContain(said);
  });
});
