/**
 * Deletion of artifacts on a real API server: a controller as a process, with the permissions and admission policies of the
 * install, and a registry on this machine. Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { parse } from "yaml";
import { ARTIFACT_ANNOTATIONS, ARTIFACT_FINALIZER, ARTIFACT_TYPE } from "../../api";
import { registryWith } from "../../controller/artifacts";
import { Orphans } from "../../controller/artifacts/orphans";
import { ApiError, Client } from "../../kube/client";
import { readControllerSettings, type ControllerSettings } from "../../config/programs/controller";
import { CedanaChart } from "../../stacks/kubernetes";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { ControllerProcess } from "../../testbed/cluster/process";
import { FakeRegistry } from "../support/registry";
import { apply, namespace } from "./support/apiserver-install";
import { tokenOf } from "./support/account";

const config = kubeconfig();
const [SYSTEM, TEAM, GONE] = ["artifacts-system", "artifacts-team", "artifacts-gone"];
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const checkpointsOf = (home: string) => `${GROUP}/namespaces/${home}/checkpoints`;
const JSON_PATCH = { contentType: "application/json-patch+json" };
const MERGE = { contentType: "application/merge-patch+json" };
/** The smallest time limit of the settings. */
const WAIT_SECONDS = 60;

interface Checkpoint extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & { readonly uid: string; readonly finalizers?: string[] };
  readonly status?: {
    readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
  };
}

(config === undefined ? describe.skip : describe)("artifacts on a real API server", () => {
  const folder = mkdtempSync(join(tmpdir(), "cedana-artifacts-"));
  /** Digests that the registry does not delete. */
  const undeletable = new Set<string>();
  const registry = new FakeRegistry({
    fault: ({ method, path }) =>
      method === "DELETE" && [...undeletable].some((digest) => path.endsWith(digest))
        ? { status: 405, body: JSON.stringify({ errors: [{ code: "UNSUPPORTED", message: "not here" }] }) }
        : undefined,
  });
  let api: ApiServer;
  let objects: readonly KubernetesObject[] = [];
  let settings: ControllerSettings;
  let clusterUID: string;
  let token: string;
  let controller: ControllerProcess;

  const send: ApiServer["send"] = (...request) => api.send(...request);
  const read = async (name: string, home = TEAM) => {
    const { status, body } = await api.request<Checkpoint>("GET", `${checkpointsOf(home)}/${name}`);
    return status === 404 ? undefined : body;
  };
  const conditionOf = (object: Checkpoint | undefined, type: string) =>
    object?.status?.conditions?.find((one) => one.type === type);

  /** Pushes an artifact as an agent does. @returns its digest */
  function push(uid: string, home = TEAM): string {
    const annotations = {
      [ARTIFACT_ANNOTATIONS.uid]: uid,
      [ARTIFACT_ANNOTATIONS.namespace]: home,
      [ARTIFACT_ANNOTATIONS.cluster]: clusterUID,
      [ARTIFACT_ANNOTATIONS.created]: new Date().toISOString(),
    };
    const content = Buffer.from(
      JSON.stringify({ schemaVersion: 2, artifactType: ARTIFACT_TYPE, annotations }),
    );
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", content };
    registry.manifests.set(`checkpoints/${uid}`, manifest);
    registry.manifests.set(`checkpoints/${digest}`, manifest);
    return digest;
  }
  /** Returns the tag of an artifact: its UID. */
  const tagOf = (digest: string) => {
    const { content } = registry.manifests.get(`checkpoints/${digest}`) ?? {};
    const { annotations = {} } = JSON.parse(String(content ?? "{}")) as {
      annotations?: Record<string, string>;
    };
    return annotations[ARTIFACT_ANNOTATIONS.uid] ?? "";
  };
  const has = (digest: string) => registry.manifests.has(`checkpoints/${digest}`);
  let uids = 0;
  const nextUID = () => `00000000-0000-4000-8000-${String(++uids).padStart(12, "0")}`;

  /** Creates a completed Checkpoint, as a backup tool does. @returns the digest of its artifact */
  async function completed(name: string, { home = TEAM, policy = "Delete" } = {}): Promise<string> {
    const checkpointUID = nextUID();
    const digest = push(checkpointUID, home);
    const location = `${registry.host}/checkpoints@${digest}`;
    const containers = [{ name: "app", checkpointID: digest, location }];
    const completionTime = new Date().toISOString();
    await send("POST", checkpointsOf(home), {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name },
      spec: { podRef: { name: "web-0" }, deletionPolicy: policy },
      record: { checkpointUID, result: { engine: "criu", containers, completionTime } },
    });
    await eventually(30, `Checkpoint ${name} is ready`, async () => {
      const object = await read(name, home);
      const held = object?.metadata.finalizers?.includes(ARTIFACT_FINALIZER) ?? false;
      return conditionOf(object, "Ready")?.status === "True" && held === (policy === "Delete");
    });
    return digest;
  }

  function start(given: ControllerSettings): void {
    const users = (parse(readFileSync(config ?? "", "utf8")) as { users: object[] }).users;
    const own = {
      ...(parse(readFileSync(config ?? "", "utf8")) as object),
      users: users.map((one) => ({ ...one, user: { token } })),
    };
    const target = join(folder, "kubeconfig");
    writeFileSync(target, JSON.stringify(own), { mode: 0o600 });
    controller = new ControllerProcess({
      kubeconfig: target,
      settings: given,
      replica: "artifacts-a",
      folder,
    });
  }

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    await registry.start();
    clusterUID = (await send<Checkpoint>("GET", "/api/v1/namespaces/kube-system")).metadata.uid;
    const image = { repository: "registry.example.com/image", tag: "0.1.0" };
    const all = new CedanaChart(Testing.app(), "artifacts", {
      // The install rejects a registry on localhost, which only this process can reach.
      engine: { kind: "criu", image, repository: "registry.example.com/checkpoints" },
      install: {
        name: "artifacts",
        namespace: SYSTEM,
        controller: { image },
        checkpoints: { namespaces: [TEAM, GONE], deleteArtifacts: { waitSeconds: WAIT_SECONDS } },
        restore: false,
      },
    }).toJson() as KubernetesObject[];
    objects = all.filter(
      ({ kind, metadata: { name } }) =>
        ["Namespace", "CustomResourceDefinition"].includes(kind) ||
        (/^artifacts-(controller|checkpoint)/.test(name) &&
          !["Deployment", "PodDisruptionBudget"].includes(kind)),
    );
    for (const object of [namespace(TEAM), namespace(GONE), ...objects]) await apply(api, object);
    const kinds = [checkpointsOf(TEAM), `${GROUP}/namespaces/${SYSTEM}/nodecheckpoints`];
    for (const path of kinds)
      await eventually(30, `${path} is served`, async () => (await api.request("GET", path)).status === 200);
    const map = all.find(
      ({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "artifacts-controller-settings",
    );
    const text = Object.values((map?.["data"] ?? {}) as Record<string, string>)[0] ?? "";
    const checked = readControllerSettings(
      text.replace('"registry.example.com/checkpoints"', JSON.stringify(`${registry.host}/checkpoints`)),
    );
    if (checked.problems) throw new Error(JSON.stringify(checked.problems));
    settings = { ...checked.value, gate: false };
    token = await tokenOf(api, SYSTEM, "artifacts-controller");
    start(settings);
  });

  afterAll(async () => {
    await controller?.stop();
    for (const home of [TEAM, GONE]) {
      const { body } = await api.request<{ items?: Checkpoint[] }>("GET", checkpointsOf(home));
      for (const { metadata } of body.items ?? []) {
        await api.request(
          "PATCH",
          `${checkpointsOf(home)}/${metadata.name}`,
          { metadata: { finalizers: null } },
          MERGE,
        );
        await api.request("DELETE", `${checkpointsOf(home)}/${metadata.name}`);
      }
    }
    for (const object of objects.toReversed())
      if (!["Namespace", "CustomResourceDefinition"].includes(object.kind)) await api.delete(object);
    await registry.stop();
    api.close();
  });

  test("a deleted Checkpoint takes its artifact with it, and no other", async () => {
    const [digest, other] = [await completed("one"), await completed("other")];
    await send("DELETE", `${checkpointsOf(TEAM)}/one`);
    await eventually(30, "it is removed", async () => (await read("one")) === undefined);
    expect(has(digest)).toBe(false);
    expect(has(other)).toBe(true);
    await eventually(30, "there is an event", async () => {
      const { body } = await api.request<{ items: { reason: string; note: string }[] }>(
        "GET",
        `/apis/events.k8s.io/v1/namespaces/${TEAM}/events`,
      );
      return body.items.some(({ reason, note }) => reason === "ArtifactDeleted" && note.includes(digest));
    });
  });

  test("the policy can be changed: Retain keeps the artifact and the finalizer goes", async () => {
    const digest = await completed("kept");
    await send("PATCH", `${checkpointsOf(TEAM)}/kept`, { spec: { deletionPolicy: "Retain" } }, MERGE);
    await eventually(
      30,
      "it is released",
      async () => (await read("kept"))?.metadata.finalizers === undefined,
    );
    await send("DELETE", `${checkpointsOf(TEAM)}/kept`);
    expect(await read("kept")).toBeUndefined();
    expect(has(digest)).toBe(true);
    const { status, body } = await api.request(
      "PATCH",
      `${checkpointsOf(TEAM)}/other`,
      { spec: { deletionPolicy: "Sometimes" } },
      MERGE,
    );
    expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining("Retain")]);
  });

  test("a status that names the artifact of another namespace does not delete it", async () => {
    const victim = push(nextUID(), "another-team");
    await completed("forger");
    const containers = [{ name: "app", location: `${registry.host}/checkpoints@${victim}` }];
    await send("PATCH", `${checkpointsOf(TEAM)}/forger/status`, { status: { containers } }, MERGE);
    await send("DELETE", `${checkpointsOf(TEAM)}/forger`);
    await eventually(30, "it is removed", async () => (await read("forger")) === undefined);
    expect(has(victim)).toBe(true);
  });

  test("shows why it waits, and deletes once the registry does", async () => {
    const digest = await completed("blocked");
    undeletable.add(digest);
    await send("DELETE", `${checkpointsOf(TEAM)}/blocked`);
    await eventually(
      30,
      "it is blocked",
      async () => conditionOf(await read("blocked"), "DeletionBlocked") !== undefined,
    );
    expect(conditionOf(await read("blocked"), "DeletionBlocked")).toMatchObject({
      status: "True",
      reason: "ArtifactNotDeleted",
      message: expect.stringContaining(
        "405 UNSUPPORTED not here (enable deletion in the registry)",
      ) as string,
    });
    undeletable.delete(digest);
    await eventually(45, "it is removed", async () => (await read("blocked")) === undefined);
    expect(has(digest)).toBe(false);
  });

  test("the controller's account changes no finalizer but its own, and adds that only where artifacts are deleted", async () => {
    await completed("retained", { policy: "Retain" });
    const user = { token };
    const patched = async (name: string, finalizers: readonly string[]) => {
      const operations = [{ op: "add", path: "/metadata/finalizers", value: finalizers }];
      const more = { ...JSON_PATCH, ...user };
      return api.request("PATCH", `${checkpointsOf(TEAM)}/${name}?dryRun=All`, operations, more);
    };
    expect((await patched("retained", [ARTIFACT_FINALIZER])).status).toBe(403);
    expect((await patched("retained", ["example.com/other"])).status).toBe(403);
    expect((await patched("other", [ARTIFACT_FINALIZER, "example.com/other"])).status).toBe(403);
    expect((await patched("other", [])).status).toBe(200);
  });

  test("the controller's account changes no spec", async () => {
    const patched = async (name: string, operation: object) => {
      const more = { ...JSON_PATCH, token };
      return api.request("PATCH", `${checkpointsOf(TEAM)}/${name}?dryRun=All`, [operation], more);
    };
    const policy = { op: "add", path: "/spec/deletionPolicy", value: "Delete" };
    expect((await patched("retained", policy)).status).toBe(403);
    expect((await patched("retained", { op: "add", path: "/spec/pinned", value: true })).status).toBe(403);
    // The same value is no change.
    expect((await patched("retained", { ...policy, value: "Retain" })).status).toBe(200);
  });

  test("keeps an artifact that the cache does not name if a Checkpoint of another namespace names it, or the account may not list these", async () => {
    const uid = nextUID();
    const [digest, orphan] = [push(uid), push(nextUID())];
    const location = `${registry.host}/checkpoints@${digest}`;
    const copy = `${checkpointsOf("default")}/artifacts-copy`;
    await send("POST", checkpointsOf("default"), {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name: "artifacts-copy" },
      spec: { podRef: { name: "web-0" } },
      record: {
        checkpointUID: nextUID(),
        result: { engine: "criu", containers: [{ name: "app", checkpointID: digest, location }] },
      },
    });
    /** Sweeps with the permissions of an account, and a cache without any Checkpoint. */
    const sweep = async (account: string) => {
      const as = `system:serviceaccount:${SYSTEM}:${account}`;
      const client = new Client(
        {
          send: async (method, path, _, { query = {} } = {}) => {
            const { status, body } = await api.request<{ message?: string }>(
              method,
              `${path}?${String(new URLSearchParams(query))}`,
              undefined,
              { as },
            );
            if (status >= 300) throw new ApiError(status, body.message ?? "");
            return body;
          },
        },
        { fieldManager: "artifacts" },
      );
      const orphans = new Orphans({
        client,
        mode: "delete",
        repositories: { repository: `${registry.host}/checkpoints`, repositoryPerNamespace: false },
        namespaces: [TEAM],
        minAgeMs: 0,
        registry: registryWith({ credentials: "none" }),
        cluster: { uid: () => Promise.resolve(clusterUID) },
        // The artifacts of the other tests are named.
        uses: {
          checkpointsOf: (names: readonly string[]) =>
            names.some((name) => [digest, orphan, tagOf(digest), tagOf(orphan)].includes(name)) ? [] : [{}],
          isRequested: () => false,
        } as never,
        checkpoints: { list: () => [], covers: () => true },
        isPending: () => false,
        report: { orphans: () => undefined, orphanDeleted: () => undefined } as never,
        limits: { reads: 1000, pauseMs: 0 },
        log: { info: () => undefined } as never,
      });
      await orphans.sweep(new AbortController().signal);
      const { unconfirmed } = await orphans.sweep(new AbortController().signal);
      return [unconfirmed?.message ?? "", has(digest), has(orphan)];
    };
    expect(await sweep("default")).toEqual([
      expect.stringMatching(/^checkpoints.automation.cedana.ai is forbidden: .* at the cluster scope/),
      true,
      true,
    ]);
    expect(await sweep("artifacts-controller")).toEqual(["", true, false]);
    await send("DELETE", copy);
    expect(await sweep("artifacts-controller")).toEqual(["", false, false]);
  });

  test("a namespace that is deleted is gone within the time limit, although a registry deletes nothing and its RoleBindings are deleted first", async () => {
    const [digest, stuck] = [
      await completed("one", { home: GONE }),
      await completed("stuck", { home: GONE }),
    ];
    undeletable.add(stuck);
    await send("DELETE", `/api/v1/namespaces/${GONE}`);
    await eventually(WAIT_SECONDS + 60, "the namespace is gone", async () => {
      return (await api.request("GET", `/api/v1/namespaces/${GONE}`)).status === 404;
    });
    expect(has(digest)).toBe(false);
    expect(has(stuck)).toBe(true);
  });

  test("a controller that deletes no artifacts any more releases all Checkpoints", async () => {
    await controller.stop();
    if (!settings.checkpoints || settings.checkpoints.engine !== "criu")
      throw new Error("the engine is not criu");
    const { artifacts: _artifacts, ...checkpoints } = settings.checkpoints;
    start({ ...settings, checkpoints });
    await eventually(
      60,
      "they are released",
      async () => (await read("other"))?.metadata.finalizers === undefined,
    );
    expect((await read("other"))?.metadata).not.toHaveProperty("finalizers");
  });
});
