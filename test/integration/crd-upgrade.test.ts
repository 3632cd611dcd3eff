/**
 * Upgrades of CustomResourceDefinitions on a real API server: a second version is added, all objects are rewritten into it with an
 * interruption, and the first version is removed. Compares what etcd stores. Needs CEDANA_INTEGRATION_KUBECONFIG,
 * CEDANA_INTEGRATION_TESTBED_DIR and `npm run build`.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { CHECKPOINT } from "../../api";
import type { DesiredCrd } from "../../cli/crd/definition";
import { PROGRESS } from "../../cli/crd/migrate";
import { inspect, upgrade } from "../../cli/crd/upgrade";
import { INIT_DEFAULTS, initFile } from "../../cli/init-file";
import { Crd } from "../../constructs/kubernetes";
import { Client, KubernetesApi, type Transport } from "../../kube";
import { ApiServer, eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { connectionOf } from "../../testbed/cluster/connection";
import { ROOT } from "../support/sources";
import { Testbed, testbedFolder } from "./support/controller/testbed";
import { scratch } from "./support/terraform";

const config = kubeconfig();
const folder = config === undefined ? undefined : testbedFolder();
const GROUP = "crd-upgrade.example.com";
const NAME = `checkpoints.${GROUP}`;
const NAMESPACES = ["crd-upgrade-a", "crd-upgrade-b"];
const OBJECTS = 500;
const PAGE = 100;
const FAST = { intervalMs: 100, pageSize: PAGE };

/** Returns the CustomResourceDefinition of Checkpoint in another group, with these versions, the first one as storage version. */
function definition(...names: readonly string[]): DesiredCrd {
  const kind = { ...CHECKPOINT, group: GROUP, crdName: NAME, shortNames: ["ckptup"] };
  const chart = Testing.chart();
  new Crd(chart, "crd", { kind });
  const [crd] = Testing.synth(chart) as [DesiredCrd];
  const [version] = crd.spec.versions;
  const versions = names.map((name, index) => ({ ...version, name, storage: index === 0, served: true }));
  return { ...crd, spec: { ...crd.spec, versions } };
}

interface Stored {
  readonly apiVersion: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly spec: object;
  readonly status?: object;
}

(folder === undefined ? describe.skip : describe)("an upgrade of a CustomResourceDefinition", () => {
  let api: ApiServer;
  let client: Client;
  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    const { origin, agent } = connectionOf(config ?? "");
    const { ca, cert, key } = agent.options;
    const transport = new KubernetesApi(origin, async (options) => {
      Object.assign(options, { ca, cert, key });
    });
    client = new Client(transport, { fieldManager: "cedana-cdk" });
    await remove();
    for (const name of NAMESPACES)
      await api.request("POST", "/api/v1/namespaces", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name },
      });
  });
  afterAll(async () => {
    await remove();
    for (const name of NAMESPACES) await api.request("DELETE", `/api/v1/namespaces/${name}`);
    api.close();
  });

  const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  async function remove(): Promise<void> {
    await api.request("DELETE", `${CRDS}/${NAME}`);
    await eventually(60, "the CustomResourceDefinition is deleted", async () => {
      return (await api.request("GET", `${CRDS}/${NAME}`)).status === 404;
    });
  }

  interface Definition {
    readonly metadata: { readonly annotations?: Record<string, string>; readonly generation: number };
    readonly spec: { readonly versions: { name: string }[] };
    readonly status: { readonly storedVersions: string[] };
  }
  const definitionNow = async () => (await api.request<Definition>("GET", `${CRDS}/${NAME}`)).body;
  const objects = async (version: string) => {
    const { body } = await api.request<{ items: Stored[] }>("GET", `/apis/${GROUP}/${version}/checkpoints`);
    return body.items.map(({ metadata: { name, namespace, uid }, spec, status }) => ({
      name,
      namespace,
      uid,
      spec,
      status,
    }));
  };
  /** Returns the number of objects that etcd stores in each version. */
  const inEtcd = async () => {
    const counts: Record<string, number> = {};
    for (const { apiVersion } of await new Testbed(folder ?? "", api).stored(
      `/registry/${GROUP}/checkpoints/`,
    ))
      counts[apiVersion.split("/")[1] ?? ""] = (counts[apiVersion.split("/")[1] ?? ""] ?? 0) + 1;
    return counts;
  };
  const create = async (version: string, name: string, namespace = NAMESPACES[0]) => {
    const path = `/apis/${GROUP}/${version}/namespaces/${namespace}/checkpoints`;
    const spec = { podRef: { name: "web" }, containers: ["app"], leaveRunning: false };
    const object = { apiVersion: `${GROUP}/${version}`, kind: "Checkpoint", metadata: { name }, spec };
    const created = await api.request("POST", path, object);
    if (created.status !== 201) throw new Error(JSON.stringify(created.body));
    if (name.endsWith("0")) {
      const status = { engine: "criu", frozenMilliseconds: 12, completionTime: "2026-06-01T12:00:00Z" };
      const options = { contentType: "application/merge-patch+json" };
      await api.request("PATCH", `${path}/${name}/status`, { status }, options);
    }
  };

  /** Returns a client that counts rewrites, and fails after so many of them, as if it was killed. */
  function counting(failAfter = Infinity) {
    const transport = client.transport as Transport;
    const seen = { rewrites: 0 };
    const send: Transport["send"] = (method, path, ...rest) => {
      if (method === "PATCH" && path.includes("/namespaces/") && ++seen.rewrites > failAfter)
        return Promise.reject(new Error("killed"));
      return transport.send(method, path, ...rest);
    };
    return { seen, client: new Client({ send }, { fieldManager: "cedana-cdk" }) };
  }

  test("creates a missing one", async () => {
    expect(await inspect(client, definition("v1alpha1"))).toMatchObject({ definition: "create" });
    await upgrade(client, definition("v1alpha1"), FAST);
    expect(await inspect(client, definition("v1alpha1"))).toEqual({
      name: NAME,
      staleVersions: [],
      droppedVersions: [],
      problems: [],
      servedVersions: ["v1alpha1"],
      storedVersions: ["v1alpha1"],
      storageVersion: "v1alpha1",
      objects: 0,
    });
  });

  test("rewrites 500 objects into a second version, with an interruption", async () => {
    const names = Array.from({ length: OBJECTS }, (_, index) => `c-${String(index).padStart(3, "0")}`);
    for (let at = 0; at < names.length; at += 20)
      await Promise.all(
        names.slice(at, at + 20).map((name, index) => create("v1alpha1", name, NAMESPACES[index % 2])),
      );
    const next = definition("v1beta1", "v1alpha1");
    expect(await inspect(client, next)).toMatchObject({
      definition: "update",
      migrateTo: "v1beta1",
      objects: OBJECTS,
      problems: [],
    });
    const before = await objects("v1alpha1");
    expect(await inEtcd()).toEqual({ v1alpha1: OBJECTS });

    await expect(upgrade(counting(250).client, next, FAST)).rejects.toThrow("killed");
    const interrupted = await definitionNow();
    expect(interrupted.status.storedVersions).toEqual(["v1alpha1", "v1beta1"]);
    expect(JSON.parse(interrupted.metadata.annotations?.[PROGRESS] ?? "{}")).toMatchObject({
      version: "v1beta1",
      rewritten: 200,
    });
    await eventually(10, "250 objects are stored in the new version", async () => {
      const { v1alpha1 = 0, v1beta1 = 0 } = await inEtcd();
      return v1alpha1 + v1beta1 === OBJECTS && v1beta1 === 250;
    });
    // Other clients write in either version meanwhile.
    await create("v1alpha1", "a-new");
    const deleted = before.at(-1);
    await api.request(
      "DELETE",
      `/apis/${GROUP}/v1alpha1/namespaces/${deleted?.namespace}/checkpoints/${deleted?.name}`,
    );

    const resumed = counting();
    const report = await upgrade(resumed.client, next, FAST);
    expect(report).toMatchObject({ storedVersions: ["v1beta1"], objects: OBJECTS, problems: [] });
    expect(report.migrateTo).toBeUndefined();
    // The rest, from the page at which it was interrupted.
    expect(resumed.seen.rewrites).toBeLessThanOrEqual(OBJECTS - 200);
    const done = await definitionNow();
    expect([done.status.storedVersions, done.metadata.annotations?.[PROGRESS]]).toEqual([
      ["v1beta1"],
      undefined,
    ]);
    expect(await inEtcd()).toEqual({ v1beta1: OBJECTS });
    const kept = (await objects("v1beta1")).filter(({ name }) => name !== "a-new");
    expect(kept).toEqual(before.slice(0, -1));
  });

  test("does nothing when all is current", async () => {
    const { seen, client: counted } = counting();
    const { metadata } = await definitionNow();
    await upgrade(counted, definition("v1beta1", "v1alpha1"), FAST);
    expect([seen.rewrites, (await definitionNow()).metadata.generation]).toEqual([0, metadata.generation]);
  });

  test("rejects a downgrade, and a schema without fields that objects have, and writes nothing", async () => {
    const before = await definitionNow();
    await expect(upgrade(client, definition("v1alpha1"), FAST)).rejects.toThrow(
      /has version v1beta1, which is newer than v1alpha1 of this toolkit/,
    );
    const smaller = JSON.parse(JSON.stringify(definition("v1beta1", "v1alpha1"))) as DesiredCrd;
    for (const { schema } of smaller.spec.versions) {
      const status = schema?.openAPIV3Schema?.properties?.["status"]?.properties as Record<string, unknown>;
      delete status["frozenMilliseconds"];
    }
    await expect(upgrade(client, smaller, FAST)).rejects.toThrow(
      /crd-upgrade-a\/c-000 has \.status\.frozenMilliseconds, which the new schema lacks/,
    );
    expect(await definitionNow()).toEqual(before);
  });

  test("stops serving the first version when no object is stored in it", async () => {
    const before = await objects("v1beta1");
    const report = await upgrade(client, definition("v1beta1"), FAST);
    expect(report).toMatchObject({ servedVersions: ["v1beta1"], storedVersions: ["v1beta1"], problems: [] });
    expect((await definitionNow()).spec.versions.map(({ name }) => name)).toEqual(["v1beta1"]);
    expect(await objects("v1beta1")).toEqual(before);
  });

  describe("by the command", () => {
    const directory = scratch();
    const PATH = `${CRDS}/noderestores.automation.cedana.ai`;
    function run(...args: readonly string[]) {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [join(ROOT, "dist/bin/cedana-cdk.js"), "crd", ...args],
        { cwd: directory, encoding: "utf8", env: { PATH: process.env["PATH"], KUBECONFIG: config } },
      );
      return { stdout, stderr, status };
    }
    beforeAll(() =>
      writeFileSync(join(directory, "cedana.yaml"), initFile({ ...INIT_DEFAULTS, aws: "none" })),
    );

    test("installs and updates those of the platform file, and only with --yes", async () => {
      expect(run("upgrade", "--yes").status).toBe(0);
      expect(run("status")).toMatchObject({ status: 0, stdout: expect.stringContaining("  current\n") });
      const columns = [{ op: "remove", path: "/spec/versions/0/additionalPrinterColumns/0" }];
      const options = { contentType: "application/json-patch+json" };
      expect((await api.request("PATCH", PATH, columns, options)).status).toBe(200);
      expect(run("status")).toMatchObject({
        status: 1,
        stdout: expect.stringContaining("  to do: update versions and names\n"),
      });
      const dry = run("upgrade");
      expect([dry.status, dry.stdout]).toEqual([0, expect.stringContaining("Nothing was written.")]);
      expect(run("status").status).toBe(1);
      const done = run("upgrade", "--yes", "--output", "json");
      expect([done.status, done.stderr]).toEqual([
        0,
        "noderestores.automation.cedana.ai: update versions and names\n",
      ]);
      const reports = JSON.parse(done.stdout) as { name: string; storedVersions: string[] }[];
      expect(reports.map(({ name, storedVersions }) => [name, storedVersions])).toEqual(
        ["checkpoints", "nodecheckpoints", "noderestores"].map((name) => [
          `${name}.automation.cedana.ai`,
          ["v1alpha1"],
        ]),
      );
      expect(run("status").status).toBe(0);
    });
  });
});
