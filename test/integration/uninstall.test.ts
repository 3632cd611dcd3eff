/**
 * Uninstalls keep Checkpoints, on a real API server and with the real kubectl. Needs CEDANA_INTEGRATION_KUBECONFIG and kubectl
 * (CEDANA_INTEGRATION_KUBECTL).
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { CHECKPOINT } from "../../api";
import { layout, type KubernetesObject as Manifest } from "../../manifests";
import { writeTree } from "../../manifests/output";
import { CedanaChart } from "../../stacks/kubernetes";
import { ApiServer, eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { ROOT } from "../support/sources";
import { scratch } from "./support/terraform";

const KUBECTL = process.env["CEDANA_INTEGRATION_KUBECTL"] ?? "kubectl";
const config = kubeconfig();
const CRD = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${CHECKPOINT.crdName}`;
const CHECKPOINTS = `/apis/${CHECKPOINT.apiVersion}/namespaces/default/checkpoints`;

/** Returns the uninstall command of a page of the docs, for a directory. */
function documented(page: string, directory: string): string[] {
  const text = readFileSync(join(ROOT, "docs", page), "utf8");
  const [, command = ""] = /^kubectl (delete [^\n]*-k out\/kubernetes[^\n]*)$/m.exec(text) ?? [];
  return command
    .replace("out/kubernetes", directory)
    .split(/\s+/)
    .map((word) => word.replaceAll("'", ""));
}

(config === undefined ? describe.skip : describe)("Uninstall", () => {
  const folder = scratch();
  const directory = join(folder, "kubernetes");
  let api: ApiServer;

  function kubectl(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
    const { stdout, stderr, status } = spawnSync(KUBECTL, args, {
      encoding: "utf8",
      // Without it, kubectl writes its cache to the current directory.
      env: { PATH: process.env["PATH"], KUBECONFIG: config, HOME: folder },
    });
    return { status, output: `${stdout}${stderr}` };
  }

  const isStored = async (path: string) => (await api.request("GET", path)).status === 200;
  /** The namespace is shared with no other suite. */
  const service = "/api/v1/namespaces/uninstall-system/configmaps/uninstall-controller-settings";

  async function install(): Promise<void> {
    const namespaces = "/api/v1/namespaces/uninstall-system";
    await eventually(60, "the namespace of an earlier install is deleted", async () => {
      const { body } = await api.request<{ metadata?: { deletionTimestamp?: string } }>("GET", namespaces);
      return body.metadata?.deletionTimestamp === undefined;
    });
    // CRDs and namespace first: kubectl does not wait for them.
    for (let attempt = 0; ; attempt++) {
      const { status, output } = kubectl("apply", "--server-side", "--force-conflicts", "-k", directory);
      if (status === 0) break;
      if (attempt === 5) throw new Error(output);
    }
    if (!(await isStored(service))) throw new Error("the install is incomplete");
  }

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    const image = { repository: "registry.example.com/image", tag: "1" };
    const chart = new CedanaChart(Testing.app(), "uninstall", {
      engine: { kind: "criu", image, repository: "registry.example.com/checkpoints" },
      install: { name: "uninstall", namespace: "uninstall-system", controller: { image }, restore: false },
    });
    writeTree(directory, layout(chart.toJson() as Manifest[]), "a test");
    await install();
    await eventually(30, "the kind is served", () => isStored(CHECKPOINTS));
    const checkpoint = {
      apiVersion: CHECKPOINT.apiVersion,
      kind: "Checkpoint",
      metadata: { name: "kept", namespace: "default" },
      spec: { podRef: { name: "none" } },
    };
    await api.request("DELETE", `${CHECKPOINTS}/kept`);
    await api.request("POST", CHECKPOINTS, checkpoint);
    if (!(await isStored(`${CHECKPOINTS}/kept`))) throw new Error("the Checkpoint is not stored");
  }, 120_000);

  afterAll(async () => {
    await api.request("DELETE", `${CHECKPOINTS}/kept`);
    kubectl("delete", "--ignore-not-found", "--wait=false", "-k", directory);
    // The CRDs stay, and other suites must be able to delete them.
    for (const plural of ["validatingadmissionpolicybindings", "validatingadmissionpolicies"]) {
      const path = `/apis/admissionregistration.k8s.io/v1/${plural}`;
      const { body } = await api.request<{ items: { metadata: { name: string } }[] }>("GET", path);
      for (const { metadata } of body.items)
        if (metadata.name.startsWith("uninstall-")) await api.request("DELETE", `${path}/${metadata.name}`);
    }
    api.close();
  });

  test.each(["try-it.md", "agent/criu.md"])(
    "the command of docs/%s removes the install, and keeps Checkpoints, CRDs and the policy that protects them",
    async (page) => {
      await install();
      const { status, output } = kubectl(...documented(page, directory), "--wait=false");
      expect([status, output]).toEqual([0, expect.stringContaining("uninstall-controller-settings")]);
      expect(output).not.toContain("customresourcedefinition");
      expect(await isStored(service)).toBe(false);
      expect(await isStored(`${CHECKPOINTS}/kept`)).toBe(true);
      const { status: denied, output: words } = kubectl("delete", "crd", CHECKPOINT.crdName);
      expect(denied).toBe(1);
      expect(words).toContain(
        `would delete all checkpoints of all namespaces. Keep the CRD, or first run: kubectl annotate crd ${CHECKPOINT.crdName} cedana.ai/delete-objects=true`,
      );
    },
  );

  test("kubectl delete -k of all files removes the rest, and is denied for the CRDs", async () => {
    await install();
    const { status, output } = kubectl("delete", "--ignore-not-found", "--wait=false", "-k", directory);
    expect(status).toBe(1);
    expect(output).toContain("would delete all checkpoints of all namespaces");
    expect(await isStored(service)).toBe(false);
    expect(await isStored(`${CHECKPOINTS}/kept`)).toBe(true);
  });

  test("with the annotation the CRD can be deleted, and its objects with it", async () => {
    await install();
    kubectl("annotate", "crd", CHECKPOINT.crdName, "cedana.ai/delete-objects=true", "--overwrite");
    await eventually(20, "the CRD is deleted", async () => {
      kubectl("delete", "crd", CHECKPOINT.crdName, "--wait=false", "--ignore-not-found");
      return !(await isStored(CRD));
    });
    await install();
    await eventually(30, "the kind is served again", () => isStored(CHECKPOINTS));
    expect(await isStored(`${CHECKPOINTS}/kept`)).toBe(false);
  }, 120_000);
});
