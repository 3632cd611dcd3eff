/**
 * Restore on a real API server: two controllers with the permissions of their ServiceAccount serve the webhook, and
 * Kubernetes' controllers create the pods. No node runs them: the test sets their status, and reports as the agent. Needs the same as
 * apiserver.test.ts.
 */
import { readFileSync } from "node:fs";
import { saved } from "../unit/controller/restore/support";
import { eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { permissions } from "./support/permissions";
import {
  checkpointOf,
  isPlanned,
  JSON_PATCH,
  pod,
  PODS,
  RestoreInstall,
  SYSTEM,
  TEAM,
  template,
  type Pod,
} from "./support/restore-install";

const ACCOUNT = `system:serviceaccount:${SYSTEM}:again-controller`;
const config = kubeconfig();

(config === undefined ? describe.skip : describe)("Restore on a real API server", () => {
  const install = new RestoreInstall(config ?? "");
  const send: RestoreInstall["send"] = (...given) => install.send(...given);

  beforeAll(() => install.start(), 120_000);
  afterAll(() => install.stop(), 60_000);

  test("a dry run claims nothing", async () => {
    expect(await install.restoreOf("probe")).toBeUndefined();
  });

  test("a pod that names a Checkpoint gets its RuntimeClass and its nodes, the claim gets the pod's UID, and the pod is restored", async () => {
    await install.checkpoint("named", {
      pod: "x",
      owner: undefined,
      hash: "",
      containers: [saved("app", { architecture: "arm64" })],
    });
    const created = await send<Pod>("POST", PODS, pod("by-name", { "cedana.ai/restore-from": "named" }));
    expect(isPlanned(created)).toBe(true);
    expect(created.spec.runtimeClassName).toBe("again-arm64");
    expect(created.spec.containers).toMatchObject([{ image: "app:1" }]);
    expect(created.spec.nodeSelector).toEqual({
      "integration/none": "true",
      "again/enabled": "true",
      "kubernetes.io/arch": "arm64",
    });
    const { uid } = created.metadata;
    await eventually(
      20,
      "the claim has the pod's UID",
      async () => (await install.restoreOf("named"))?.["podUID"] === uid,
    );
    await install.bind("by-name");
    expect(await install.reportRestore(uid, "Restored", "all containers")).toMatchObject({
      nodeName: "again-node",
      podRef: { namespace: TEAM, name: "by-name", uid },
      fallback: "fresh",
    });
    await eventually(
      20,
      "it is restored",
      async () => (await install.restoreOf("named"))?.["state"] === "Restored",
    );
    await eventually(20, "an event reports it", async () =>
      (await install.events("by-name")).includes("Restored: resumed from Checkpoint named"),
    );
    const second = await send<Pod>("POST", PODS, pod("by-name-2", { "cedana.ai/restore-from": "named" }));
    expect(isPlanned(second)).toBe(false);
    expect(second.metadata.annotations["cedana.ai/restore-skipped"]).toMatch(
      "pod by-name was restored from it",
    );
  });

  test.each([
    ["without a nodeSelector", { containers: [{ name: "app", image: "app:1" }] }],
    ["with a nodeSelector", pod("").spec],
  ])("a restored pod %s whose file is applied again keeps its restore", async (given, spec) => {
    const name = given.replaceAll(" ", "-").toLowerCase();
    await install.checkpoint(name, { pod: "x", owner: undefined, hash: "" });
    const file = { ...pod(name, { "cedana.ai/restore-from": name }), spec };
    const apply = (manager: string, object: object) =>
      install.api.request<Pod>("PATCH", `${PODS}/${name}?fieldManager=${manager}&force=true`, object, {
        contentType: "application/apply-patch+yaml",
      });
    const { body: created } = await apply("flux", file);
    expect(isPlanned(created)).toBe(true);
    // A nodeSelector is one value for server-side apply: the API server rejects to take out what the RuntimeClass added.
    const accepted = "nodeSelector" in spec ? 422 : 200;
    const labelled = { ...file, metadata: { ...file.metadata, labels: { team: "a" } } };
    for (const [manager, object] of [
      ["flux", file],
      ["argocd-controller", file],
      ["flux", labelled],
    ] as const)
      expect((await apply(manager, object)).status).toBe(accepted);
    // The merge that a client-side apply sends.
    await send("PATCH", `${PODS}/${name}`, labelled, {
      contentType: "application/strategic-merge-patch+json",
    });
    const now = await send<Pod>("GET", `${PODS}/${name}`);
    expect(now.spec).toEqual(created.spec);
    expect(now.metadata.annotations).toEqual(created.metadata.annotations);
    expect(now.metadata.uid).toBe(created.metadata.uid);
    expect((await install.restoreOf(name))?.["state"]).toBe("Claimed");
  });

  test("each pod of a StatefulSet resumes from its own latest Checkpoint", async () => {
    const labels = { app: "web" };
    const set = {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "web", namespace: TEAM },
      spec: {
        replicas: 2,
        serviceName: "web",
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
      },
    };
    const scaled = (replicas: number) => ({
      ...set,
      spec: { ...set.spec, replicas, template: template(labels) },
    });
    await send("POST", `/apis/apps/v1/namespaces/${TEAM}/statefulsets`, scaled(1));
    await eventually(20, "web-0 exists", async () => (await install.podsOf("app=web")).length === 1);
    const [first] = await install.podsOf("app=web");
    const hash = first?.metadata.labels?.["controller-revision-hash"] ?? "";
    for (const [index, name] of ["web-zero", "web-one"].entries())
      await install.checkpoint(name, { pod: `web-${index}`, hash, minutes: 5 - index });
    await send("DELETE", `${PODS}/web-0?gracePeriodSeconds=0`);
    await send(
      "PATCH",
      `/apis/apps/v1/namespaces/${TEAM}/statefulsets/web`,
      [{ op: "replace", path: "/spec/replicas", value: 2 }],
      JSON_PATCH,
    );
    await eventually(30, "there are two pods", async () => (await install.podsOf("app=web")).length === 2);
    const made = await install.podsOf("app=web");
    expect(new Set(made.map((one) => `${one.metadata.name} ${checkpointOf(one)} ${isPlanned(one)}`))).toEqual(
      new Set(["web-0 web-zero true", "web-1 web-one true"]),
    );
  });

  test("one Checkpoint restores one of two pods of a Deployment; the other starts without a checkpoint and reports why", async () => {
    const labels = { app: "two" };
    const path = `/apis/apps/v1/namespaces/${TEAM}/deployments`;
    await send("POST", path, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "two", namespace: TEAM },
      spec: { replicas: 0, selector: { matchLabels: labels }, template: template(labels) },
    });
    const sets = `/apis/apps/v1/namespaces/${TEAM}/replicasets?labelSelector=app=two`;
    await eventually(
      20,
      "its ReplicaSet exists",
      async () => (await send<{ items: object[] }>("GET", sets)).items.length === 1,
    );
    const { items } = await send<{ items: KubernetesObject[] }>("GET", sets);
    const [set] = items;
    const name = set?.metadata.name ?? "";
    const hash = set?.metadata.labels?.["pod-template-hash"] ?? "";
    await install.checkpoint("two", { pod: `${name}-gone1`, owner: { kind: "ReplicaSet", name }, hash });
    await send("PATCH", `${path}/two`, [{ op: "replace", path: "/spec/replicas", value: 2 }], JSON_PATCH);
    await eventually(30, "there are two pods", async () => (await install.podsOf("app=two")).length === 2);
    const pods = await install.podsOf("app=two");
    expect(pods.filter(isPlanned)).toHaveLength(1);
    const fresh = pods.find((one) => !isPlanned(one))?.metadata.name ?? "";
    await eventually(20, "an event reports the reason", async () =>
      (await install.events(fresh)).some((one) =>
        one.startsWith("RestoreSkipped: starts fresh: Checkpoint two:"),
      ),
    );
  });

  test("many pods at once: each Checkpoint is restored by one pod", async () => {
    for (const index of [1, 2, 3])
      await install.checkpoint(`many-${index}`, { pod: `many-${index}`, owner: undefined, hash: "" });
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        install.api.request<Pod>(
          "POST",
          PODS,
          pod(`at-once-${index}`, { "cedana.ai/restore-from": `many-${1 + (index % 3)}` }),
        ),
      ),
    );
    const stored = made.filter(({ status }) => status < 300).map(({ body }) => body);
    const restored = stored.filter(isPlanned);
    expect(new Set(restored.map(checkpointOf))).toEqual(new Set(["many-1", "many-2", "many-3"]));
    expect(restored).toHaveLength(3);
    const rejected = made.filter(({ status }) => status >= 300).map(({ status }) => status);
    expect(rejected.every((status) => status === 409)).toBe(true);
    for (const one of restored) {
      const name = checkpointOf(one) ?? "";
      await eventually(
        20,
        `the claim of ${name} has the pod's UID`,
        async () => (await install.restoreOf(name))?.["podUID"] === one.metadata.uid,
      );
    }
  });

  test("a restore that fails: the pod no longer waits for a plan, and the Checkpoint is not restored again", async () => {
    await install.checkpoint("broken", { pod: "falls", owner: undefined, hash: "" });
    const created = await send<Pod>("POST", PODS, pod("falls", { "cedana.ai/restore-from": "latest" }));
    expect(isPlanned(created)).toBe(true);
    await install.bind("falls");
    await install.reportRestore(created.metadata.uid, "StartedFresh", "criu failed: type RESTORE errno 0");
    await eventually(
      20,
      "it waits for no plan",
      async () => !isPlanned(await send<Pod>("GET", `${PODS}/falls`)),
    );
    expect(await install.restoreOf("broken")).toMatchObject({ state: "Failed", podName: "falls" });
    await eventually(20, "an event reports it", async () =>
      (await install.events("falls")).some((one) => /^RestoreFellBack: .*errno 0/.test(one)),
    );
    await send("DELETE", `${PODS}/falls?gracePeriodSeconds=0`);
    await eventually(
      20,
      "it is deleted",
      async () => (await install.api.request("GET", `${PODS}/falls`)).status === 404,
    );
    const next = await send<Pod>("POST", PODS, pod("falls", { "cedana.ai/restore-from": "latest" }));
    expect(isPlanned(next)).toBe(false);
  });

  test("the controller's account has these permissions and no others", async () => {
    const allowed = async (lines: readonly string[]) => {
      const all = lines.flatMap(permissions);
      const results = await Promise.all(all.map((one) => install.api.isAllowed(ACCOUNT, one)));
      return all.filter((_, index) => results[index]);
    };
    const needed = [
      `get,list,watch,patch pods in ${TEAM}`,
      `get,list,watch,patch automation.cedana.ai/checkpoints in ${TEAM}`,
      `patch automation.cedana.ai/checkpoints:status in ${TEAM}`,
      `get,list,watch,create,delete automation.cedana.ai/noderestores in ${SYSTEM}`,
      `list,watch,patch secrets named again-restore-certificate in ${SYSTEM}`,
      `create secrets in ${SYSTEM}`,
      "list,watch,patch admissionregistration.k8s.io/mutatingwebhookconfigurations named again-restore",
    ];
    expect(await allowed(needed)).toHaveLength(needed.flatMap(permissions).length);
    const denied = [
      `create,delete,update pods in ${TEAM}`,
      `create,delete,update automation.cedana.ai/checkpoints in ${TEAM}`,
      `list,patch pods in default`,
      `get,list,watch,patch,delete secrets in ${SYSTEM}`,
      `get,list,create,patch secrets in ${TEAM}`,
      `restore automation.cedana.ai/checkpoints in ${TEAM}`,
      `patch automation.cedana.ai/noderestores:status in ${SYSTEM}`,
      "create,delete,patch,list admissionregistration.k8s.io/mutatingwebhookconfigurations",
      "patch admissionregistration.k8s.io/validatingadmissionpolicies",
    ];
    expect(await allowed(denied)).toEqual([]);
    const errors = install.replicas.map(({ log }) =>
      readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => /is forbidden|"level":"error"|Warning:/.test(line)),
    );
    expect(errors).toEqual([[], []]);
  });

  test("with fallback stop a pod that cannot be restored is rejected by the policy, with the reason", async () => {
    const stop = pod("never", { "cedana.ai/restore-from": "none", "cedana.ai/restore-fallback": "stop" });
    const { status, body } = await install.api.request<{ message: string }>("POST", PODS, stop);
    expect(status).toBe(403);
    expect(body.message).toMatch(
      "cedana.ai/restore-from: Checkpoint none does not exist in the namespace; cedana.ai/restore-fallback is stop",
    );
  });

  test("a replica that stops while pods are created loses no restore", async () => {
    const names = Array.from({ length: 60 }, (_, index) => `rollout-${index}`);
    for (const name of names) await install.checkpoint(name, { pod: name, owner: undefined, hash: "" });
    const [replica] = install.replicas;
    if (replica === undefined) throw new Error("there is no replica");
    let evicted: Promise<void> | undefined;
    const from: (string | undefined)[] = [];
    for (const name of names) {
      from.push(
        checkpointOf(await send<Pod>("POST", PODS, pod(name, { "cedana.ai/restore-from": "latest" }))),
      );
      if (from.length === 10) evicted = install.evict(replica);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await evicted;
    expect(from).toEqual(names);
    expect(replica.exit).toMatchObject({ code: 0 });
    install.restart(replica);
  }, 120_000);

  test("without a controller a pod starts without a checkpoint, unless restore-fallback is stop", async () => {
    await Promise.all(install.replicas.map((one) => one.stop()));
    const created = await send<Pod>("POST", PODS, pod("alone", { "cedana.ai/restore-from": "probe" }));
    expect(isPlanned(created)).toBe(false);
    const stop = pod("stopped", { "cedana.ai/restore-from": "probe", "cedana.ai/restore-fallback": "stop" });
    const { status, body } = await install.api.request<{ message: string }>("POST", PODS, stop);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.message).toMatch(
      "the controller did not process the restore request, and cedana.ai/restore-fallback is stop: try again",
    );
    expect(await install.restoreOf("probe")).toBeUndefined();

    // The next leader finds it.
    for (const replica of install.replicas) install.restart(replica);
    await eventually(60, "the pod has the reason", async () => {
      const { metadata } = await send<Pod>("GET", `${PODS}/alone`);
      return "cedana.ai/restore-skipped" in metadata.annotations;
    });
    await eventually(20, "the pod has the event", async () => (await install.events("alone")).length > 0);
    expect(await install.events("alone")).toEqual([
      expect.stringMatching(/^RestoreSkipped: starts fresh: no decision when the pod was created/),
    ]);
  }, 120_000);
});
