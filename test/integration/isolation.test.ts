/**
 * Isolation of namespaces on a real API server, with two controllers under the permissions of their account: a namespace
 * without permissions, a namespace that is deleted, and a CRD that is missing, each while the controllers start. Needs the same
 * as apiserver.test.ts.
 */
import { readFileSync } from "node:fs";
import { eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { isPlanned, pod, PODS, RestoreInstall, TEAM, type Pod } from "./support/restore-install";

const config = kubeconfig();
const [DENIED, DELETED] = ["again-denied", "again-deleted"];
const API = "/apis/automation.cedana.ai/v1alpha1";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const NODE_RESTORES = "noderestores.automation.cedana.ai";

interface Conditions extends KubernetesObject {
  readonly status?: { readonly conditions?: readonly { readonly reason: string }[] };
}

(config === undefined ? describe.skip : describe)("Isolation of namespaces", () => {
  const install = new RestoreInstall(config ?? "", [DENIED, DELETED]);
  const bindingsOf = (namespace: string) =>
    install.objects.filter(
      ({ kind, metadata }) => kind === "RoleBinding" && metadata.namespace === namespace,
    );
  let created = 0;

  /** Creates a Checkpoint of a pod that does not exist. A controller that reconciles it ends it. */
  const request = async (namespace: string) => {
    const path = `${API}/namespaces/${namespace}/checkpoints`;
    const metadata = { name: `of-none-${++created}` };
    const spec = { podRef: { name: "none" } };
    await install.send("POST", path, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata,
      spec,
    });
    return `${path}/${metadata.name}`;
  };
  const reasonOf = async (path: string) =>
    (await install.send<Conditions>("GET", path)).status?.conditions?.[0]?.reason;
  const isReconciled = (path: string) => async () => (await reasonOf(path)) === "SourcePodNotFound";
  const reconciles = async (namespace: string) => {
    const path = await request(namespace);
    await eventually(90, `a Checkpoint in ${namespace} is reconciled`, isReconciled(path));
  };
  const restores = async () => {
    const probe = pod("probe", { "cedana.ai/restore-from": "probe" });
    return isPlanned(await install.send<Pod>("POST", `${PODS}?dryRun=All`, probe));
  };
  /** Returns the responses of all replicas to a probe. */
  const probe = async (path: string) => {
    const ports = install.replicas.map(({ log }) => {
      const lines = readFileSync(log, "utf8").split("\n").filter(Boolean);
      const listening = lines.map((line) => JSON.parse(line) as { server?: string; port?: number });
      return listening.find(({ server }) => server === "health")?.port;
    });
    const responses = ports.map((port) => fetch(`http://127.0.0.1:${port}/${path}`));
    return Promise.all((await Promise.all(responses)).map(async (one) => [one.status, await one.text()]));
  };
  const READY = [
    [200, "ok"],
    [200, "ok"],
  ];
  const restartAll = async () => {
    for (const replica of install.replicas) await replica.stop();
    for (const replica of install.replicas) install.restart(replica);
  };
  const deniedEvents = async (name: string) => {
    const events = "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=reason%3DListDenied";
    const { items } = await install.send<{ items: { regarding: { name: string }; note: string }[] }>(
      "GET",
      events,
    );
    return items.filter(({ regarding }) => regarding.name === name).map(({ note }) => note);
  };

  beforeAll(
    () =>
      install.start(async () => {
        for (const binding of bindingsOf(DENIED)) await install.api.delete(binding);
      }),
    180_000,
  );
  afterAll(async () => {
    await install.stop();
    for (const name of [DENIED, DELETED]) await install.api.request("DELETE", `/api/v1/namespaces/${name}`);
  }, 120_000);

  test("one of three namespaces without permissions at the start takes nothing from the others", async () => {
    const denied = await request(DENIED);
    await Promise.all([reconciles(TEAM), reconciles(DELETED)]);
    expect(await restores()).toBe(true);
    await eventually(30, "both replicas are Ready", async () =>
      (await probe("readyz")).every(([status]) => status === 200),
    );
    await eventually(30, "the namespace is named in an event", async () => {
      const [note = ""] = await deniedEvents(DENIED);
      return note.includes(`checkpoints/${DENIED}`) && note.includes("forbidden");
    });
    expect(await reasonOf(denied)).toBeUndefined();
    for (const binding of bindingsOf(DENIED)) await install.api.apply(binding);
    await eventually(60, "the Checkpoint is reconciled once it is permitted", isReconciled(denied));
  }, 240_000);

  test("a deleted namespace takes nothing from the others, also after a restart of both replicas", async () => {
    await install.send("DELETE", `/api/v1/namespaces/${DELETED}`);
    await eventually(90, "the namespace is deleted", async () => {
      const { status } = await install.api.request("GET", `/api/v1/namespaces/${DELETED}`);
      return status === 404;
    });
    await reconciles(TEAM);
    await restartAll();
    await reconciles(TEAM);
    await eventually(60, "both replicas are Ready, and restore", async () => {
      const responses = await probe("readyz").catch(() => []);
      return responses.length === 2 && responses.every(([status]) => status === 200) && restores();
    });
    expect(await probe("healthz")).toEqual(READY);
    await install.api.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: DELETED } });
    for (const binding of install.objects.filter(({ metadata }) => metadata.namespace === DELETED))
      await install.api.apply(binding);
    await reconciles(DELETED);
  }, 300_000);

  test("without the CRD of NodeRestores, Checkpoints are reconciled, and the replicas are not Ready until it is created", async () => {
    await install.send("DELETE", `${CRDS}/${NODE_RESTORES}`);
    await restartAll();
    await reconciles(TEAM);
    await eventually(60, "the replicas name the missing kind", async () => {
      const responses = await probe("readyz").catch(() => []);
      return (
        responses.length === 2 &&
        responses.every(([status, text]) => status === 503 && String(text).includes("[-]restore-requests"))
      );
    });
    expect(await probe("healthz")).toEqual(READY);
    const crd = install.objects.find(({ metadata }) => metadata.name === NODE_RESTORES);
    if (crd) await install.api.apply(crd);
    await eventually(60, "the replicas are Ready", async () =>
      (await probe("readyz")).every(([status]) => status === 200),
    );
  }, 300_000);
});
