/**
 * The action `verify` on a real API server, with two controllers as processes, the permissions, admission policies and the webhook
 * of the install, and pods that no node runs: the test reports what kubelet and agent would. Needs the same as apiserver.test.ts.
 */
import { eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import {
  CHECKPOINTS,
  isPlanned,
  PODS,
  RestoreInstall,
  SYSTEM,
  TEAM,
  template,
  UNSCHEDULABLE,
  type Pod,
} from "./support/restore-install";
import { leaderOf } from "./support/account";

const config = kubeconfig();
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const POLICIES = `${GROUP}/namespaces/${TEAM}/checkpointpolicies`;
const MERGE = { contentType: "application/merge-patch+json" };
const CONTROLLER = { as: `system:serviceaccount:${SYSTEM}:again-controller` };
const RBAC = `/apis/rbac.authorization.k8s.io/v1/namespaces/${TEAM}`;

interface Verified {
  readonly status: { readonly restore?: object; readonly lastVerified?: Record<string, string> };
}

(config === undefined ? describe.skip : describe)("verification of Checkpoints", () => {
  const policies = { verify: { maxInFlight: 1 }, actions: ["checkpoint", "checkpointThenDelete"] };
  const install = new RestoreInstall(config ?? "", [], undefined, { policies });
  const send: RestoreInstall["send"] = (...given) => install.send(...given);

  beforeAll(() => install.start(), 120_000);
  afterAll(async () => {
    await install.api.request("DELETE", POLICIES);
    await install.stop();
  }, 60_000);
  afterEach(async () => {
    await install.api.request("DELETE", POLICIES);
    for (const kind of ["roles", "rolebindings"])
      for (const name of ["author"]) await install.api.request("DELETE", `${RBAC}/${kind}/${name}`);
    await install.api.request("DELETE", `/api/v1/namespaces/${TEAM}/resourcequotas/full`);
    await install.api.request("DELETE", `/apis/apps/v1/namespaces/${TEAM}/deployments`);
    await install.api.request("DELETE", `${PODS}?gracePeriodSeconds=0`);
  });

  const policyOf = (name: string, verify: object) => ({
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name },
    spec: { trigger: { manual: {} }, action: { verify } },
  });
  const policy = (name: string, verify: object = {}) =>
    send("POST", POLICIES, policyOf(name, { runSeconds: 3, timeoutSeconds: 60, ...verify }));
  const setStatus = (pod: string, status: object) =>
    send("PATCH", `${PODS}/${pod}/status`, { status }, MERGE);
  /** Creates a pod that runs, and a completed Checkpoint of it. */
  async function running(name: string, checkpoint: string): Promise<void> {
    await send("POST", PODS, { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: UNSCHEDULABLE });
    await setStatus(name, { phase: "Running" });
    await install.checkpoint(checkpoint, { pod: name, owner: undefined, hash: "" });
  }
  const request = (pod: string) =>
    send(
      "PATCH",
      `${PODS}/${pod}`,
      { metadata: { annotations: { "cedana.ai/checkpoint-requested-at": new Date().toISOString() } } },
      MERGE,
    );
  const sandboxes = () => install.podsOf("cedana.ai/verification");
  const verified = async (name: string) => (await send<Verified>("GET", `${CHECKPOINTS}/${name}`)).status;
  async function sandbox(): Promise<Pod> {
    await eventually(20, "there is a sandbox pod", async () => (await sandboxes()).length === 1);
    const [pod] = await sandboxes();
    if (!pod) throw new Error("there is no sandbox pod");
    return pod;
  }
  /** Waits for the deletion of a pod, and ends it as its kubelet does. */
  async function ended({ metadata: { name, uid } }: Pod): Promise<void> {
    await eventually(30, `${name} is deleted`, async () => {
      const { status, body } = await install.api.request<Pod>("GET", `${PODS}/${name}`);
      return status === 404 || body.metadata.uid !== uid || "deletionTimestamp" in body.metadata;
    });
    await install.api.request("DELETE", `${PODS}/${name}?gracePeriodSeconds=0`);
  }

  test("a pod of a Deployment: its Checkpoint is restored in a sandbox pod that no owner counts, and then in its successor", async () => {
    const labels = { app: "web" };
    const path = `/apis/apps/v1/namespaces/${TEAM}/deployments`;
    await send("POST", path, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: { replicas: 1, selector: { matchLabels: labels }, template: template(labels) },
    });
    await eventually(20, "its pod exists", async () => (await install.podsOf("app=web")).length === 1);
    const [pod] = await install.podsOf("app=web");
    const { name = "", labels: own = {} } = pod?.metadata ?? {};
    const hash = own["pod-template-hash"] ?? "";
    const owner = { kind: "ReplicaSet", name: name.slice(0, name.lastIndexOf("-")) };
    await setStatus(name, { phase: "Running" });
    await install.checkpoint("web-before", { pod: name, owner, hash });
    await policy("prove");
    await request(name);
    const created = await sandbox();
    expect(created.metadata.labels).toEqual({
      "cedana.ai/verification": expect.any(String) as string,
      "cedana.ai/restored-from": expect.any(String) as string,
    });
    expect(isPlanned(created)).toBe(true);
    expect(created.metadata.annotations).not.toHaveProperty("cedana.ai/restore-claim");
    expect(created.spec).toMatchObject({
      automountServiceAccountToken: false,
      serviceAccountName: "default",
      activeDeadlineSeconds: 60,
      runtimeClassName: "again-amd64",
    });
    const { status } = await send<{ status: { replicas: number } }>("GET", `${path}/web`);
    expect(status.replicas).toBe(1);
    expect((await install.podsOf("app=web")).map(({ metadata }) => metadata.name)).toEqual([name]);
    await install.bind(created.metadata.name);
    const spec = await install.reportRestore(created.metadata.uid, "Restored", "restored");
    expect(spec).toMatchObject({ fallback: "stop", lazy: false, restart: "fresh" });
    const state = { running: { startedAt: new Date().toISOString() } };
    await setStatus(created.metadata.name, {
      phase: "Running",
      containerStatuses: [{ name: "app", image: "app:1", imageID: "", ready: true, restartCount: 0, state }],
    });
    await eventually(
      30,
      "it is verified",
      async () => (await verified("web-before")).lastVerified !== undefined,
    );
    const { restore, lastVerified } = await verified("web-before");
    expect(lastVerified).toMatchObject({
      outcome: "Verified",
      reason: "Running",
      podUID: created.metadata.uid,
    });
    expect(restore).toBeUndefined();
    await ended(created);
    await eventually(30, "the policy has the outcome", async () => {
      const { status: of } = await send<{ status?: { lastVerified?: object } }>("GET", `${POLICIES}/prove`);
      return of?.lastVerified !== undefined;
    });
    await send("DELETE", `${PODS}/${name}?gracePeriodSeconds=0`);
    await eventually(30, "the successor has the claim", async () => {
      const [next] = await install.podsOf("app=web");
      return next !== undefined && next.metadata.name !== name && isPlanned(next);
    });
    expect((await verified("web-before")).restore).toMatchObject({ state: "Claimed" });
  });

  test("a quota that is full rejects the sandbox pod: the reason is recorded, and the Checkpoint is free", async () => {
    await running("api-0", "api-before");
    await send("POST", `/api/v1/namespaces/${TEAM}/resourcequotas`, {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "full" },
      spec: { hard: { pods: "1" } },
    });
    await eventually(30, "the quota is counted", async () => {
      const { status } = await send<{ status?: { used?: { pods?: string } } }>(
        "GET",
        `/api/v1/namespaces/${TEAM}/resourcequotas/full`,
      );
      return Number(status?.used?.pods ?? "0") >= 1;
    });
    await policy("prove");
    await request("api-0");
    await eventually(
      30,
      "it is skipped",
      async () => (await verified("api-before")).lastVerified !== undefined,
    );
    const { restore, lastVerified } = await verified("api-before");
    expect(lastVerified).toMatchObject({ outcome: "Skipped", reason: "Rejected" });
    expect(lastVerified?.["message"]).toContain("exceeded quota: full");
    expect(restore).toBeUndefined();
    expect(await sandboxes()).toEqual([]);
  });

  test("a node that cannot restore it: the Checkpoint is not marked as failed for other pods", async () => {
    await running("db-0", "db-before");
    await policy("prove");
    await request("db-0");
    const created = await sandbox();
    await install.bind(created.metadata.name);
    await install.reportRestore(created.metadata.uid, "RestoreFailed", "criu failed");
    await eventually(
      30,
      "it has failed",
      async () => (await verified("db-before")).lastVerified !== undefined,
    );
    const { restore, lastVerified } = await verified("db-before");
    expect(lastVerified).toMatchObject({ outcome: "Failed", message: "criu failed" });
    expect(restore).toBeUndefined();
    await ended(created);
  });

  test("the leader is killed while a sandbox pod runs: the next one ends the verification", async () => {
    await running("job-0", "job-before");
    await policy("prove");
    await request("job-0");
    const created = await sandbox();
    const lease = { namespace: SYSTEM, lease: "again-controller" };
    const leader = await leaderOf(install.api, lease, () => install.replicas);
    leader.kill("SIGKILL");
    await install.bind(created.metadata.name);
    await install.reportRestore(created.metadata.uid, "RestoreFailed", "criu failed");
    await eventually(
      60,
      "it has failed",
      async () => (await verified("job-before")).lastVerified !== undefined,
    );
    expect((await verified("job-before")).lastVerified).toMatchObject({
      outcome: "Failed",
      podUID: created.metadata.uid,
    });
    await ended(created);
    install.restart(leader);
  }, 120_000);

  test("the controller creates no other pods than sandbox pods, and deletes no others", async () => {
    await install.checkpoint("guarded", { pod: "guarded", owner: undefined, hash: "" });
    const { metadata } = await send<KubernetesObject & { metadata: { uid: string } }>(
      "GET",
      `${CHECKPOINTS}/guarded`,
    );
    const valid = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "guarded",
        labels: { "cedana.ai/verification": "uid" },
        annotations: {
          "cedana.ai/restore-from": "guarded",
          "cedana.ai/restore-fallback": "stop",
          "cedana.ai/restore-shared": "true",
        },
        ownerReferences: [
          {
            apiVersion: "automation.cedana.ai/v1alpha1",
            kind: "Checkpoint",
            name: "guarded",
            uid: metadata.uid,
          },
        ],
      },
      spec: { ...UNSCHEDULABLE, automountServiceAccountToken: false, activeDeadlineSeconds: 60 },
    };
    const as = (...[method, path, body]: Parameters<typeof install.api.request>) =>
      install.api.request<{ message?: string }>(method, path, body, CONTROLLER);
    const create = (object: object) => as("POST", `${PODS}?dryRun=All`, object);
    const { status, body } = await create(valid);
    expect([status, body.message]).toEqual([201, undefined]);
    const [container] = UNSCHEDULABLE.containers;
    const ofContainer = (securityContext: object) => ({ containers: [{ ...container, securityContext }] });
    const volume = (source: object) => ({ volumes: [{ name: "v", ...source }] });
    const seccompProfile = { type: "Unconfined" };
    const changes: readonly (readonly [metadata: object, spec: object, message: string])[] = [
      [{ labels: { ...valid.metadata.labels, app: "web" } }, {}, "no Service may select them"],
      [{ labels: {} }, {}, "no Service may select them"],
      [
        { annotations: { ...valid.metadata.annotations, "cedana.ai/restore-fallback": "fresh" } },
        {},
        "restored from a shared checkpoint",
      ],
      [
        { annotations: { ...valid.metadata.annotations, "cedana.ai/restore-shared": "false" } },
        {},
        "restored from a shared checkpoint",
      ],
      [{ annotations: {} }, {}, "restored from a shared checkpoint"],
      [{ ownerReferences: [] }, {}, "owned by its Checkpoint only"],
      [{}, { automountServiceAccountToken: true }, "no ServiceAccount and no token"],
      [{}, { serviceAccountName: "again-other" }, ""],
      [{}, { hostNetwork: true }, "no namespaces of the node"],
      [{}, { hostPID: true }, "no namespaces of the node"],
      [{}, { hostIPC: true }, "no namespaces of the node"],
      [{}, ofContainer({ privileged: true }), "is privileged"],
      [{}, { containers: [{ ...container, ports: [{ containerPort: 80, hostPort: 80 }] }] }, "is privileged"],
      [{}, ofContainer({ capabilities: { add: ["CHOWN", "ALL"] } }), "adds no capabilities but"],
      [{}, ofContainer({ seccompProfile }), "are not Unconfined"],
      [{}, { securityContext: { appArmorProfile: seccompProfile } }, "are not Unconfined"],
      [{}, { initContainers: [{ name: "first", image: "app:1" }] }, "no init containers"],
      [{}, volume({ hostPath: { path: "/" } }), "volumes of a sandbox pod"],
      [{}, volume({ persistentVolumeClaim: { claimName: "c" } }), "volumes of a sandbox pod"],
      [{}, volume({ projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }), "no token"],
      [{}, { activeDeadlineSeconds: 7200 }, "ends after at most"],
      [{}, { activeDeadlineSeconds: undefined }, "ends after at most"],
    ];
    for (const [about, spec, message] of changes) {
      const rejected = await create({
        ...valid,
        metadata: { ...valid.metadata, ...about },
        spec: { ...valid.spec, ...spec },
      });
      expect({ about, spec, status: rejected.status }).toEqual({ about, spec, status: 403 });
      expect(rejected.body.message).toContain(message);
    }
    await send("POST", PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "kept" },
      spec: UNSCHEDULABLE,
    });
    const kept = await as("DELETE", `${PODS}/kept`);
    expect([kept.status, kept.body.message]).toEqual([
      403,
      expect.stringContaining("only pods with the label"),
    ]);
    // An eviction by checkpointThenDelete is no deletion by the controller: its own policy limits it.
    const { uid } = (await send<Pod>("GET", `${PODS}/kept`)).metadata;
    const eviction = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "kept", namespace: TEAM },
    };
    const evict = (deleteOptions: object) =>
      as("POST", `${PODS}/kept/eviction`, { ...eviction, deleteOptions });
    expect((await evict({})).status).toBe(403);
    expect((await evict({ preconditions: { uid } })).status).toBe(201);
  });

  test("users need the permission to restore, and with a probe the one to run commands; only the controller marks pods", async () => {
    const USER = { as: "verify-author" };
    const grant = async (rules: object[]) => {
      for (const kind of ["roles", "rolebindings"])
        await install.api.request("DELETE", `${RBAC}/${kind}/author`);
      const metadata = { name: "author" };
      await send("POST", `${RBAC}/roles`, { metadata, rules });
      await send("POST", `${RBAC}/rolebindings`, {
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "author" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: USER.as }],
      });
    };
    const group = { apiGroups: ["automation.cedana.ai"] };
    const write = { ...group, resources: ["checkpointpolicies"], verbs: ["create", "patch", "get"] };
    const pods = { apiGroups: [""], resources: ["pods"], verbs: ["create"] };
    const restore = { ...group, resources: ["checkpoints"], verbs: ["restore"] };
    const exec = { apiGroups: [""], resources: ["pods/exec"], verbs: ["create"] };
    const probe = { probe: { command: ["true"] } };
    const create = (verify: object) =>
      install.api.request<{ message?: string }>(
        "POST",
        `${POLICIES}?dryRun=All`,
        policyOf("theirs", verify),
        USER,
      );
    const after = (rules: object[], verify: object, status: number) => async () => {
      await grant(rules);
      await eventually(20, `the status is ${status}`, async () => (await create(verify)).status === status);
      return (await create(verify)).body.message ?? "";
    };
    expect(await after([write, pods], {}, 403)()).toContain(
      "verify-author may not restore in namespace again-team",
    );
    expect(await after([write, pods, restore], {}, 201)()).toBe("");
    expect(await after([write, pods, restore], probe, 403)()).toContain(
      "may not run commands in pods of namespace again-team",
    );
    expect(await after([write, pods, restore, exec], probe, 201)()).toBe("");
    // The verb in a namespace is not the verb in all.
    const cluster = await install.api.request<{ message?: string }>(
      "POST",
      `${GROUP}/clustercheckpointpolicies?dryRun=All`,
      {
        ...policyOf("theirs", {}),
        kind: "ClusterCheckpointPolicy",
        spec: { ...policyOf("theirs", {}).spec, filter: { namespaces: [TEAM] } },
      },
      USER,
    );
    expect(cluster.status).toBe(403);
    const marked = await install.api.request<{ message?: string }>(
      "POST",
      `${PODS}?dryRun=All`,
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "forged", labels: { "cedana.ai/verification": "uid" } },
        spec: UNSCHEDULABLE,
      },
      USER,
    );
    expect([marked.status, marked.body.message]).toEqual([
      403,
      expect.stringContaining("mark pods by which the controller verifies Checkpoints"),
    ]);
  });
});
