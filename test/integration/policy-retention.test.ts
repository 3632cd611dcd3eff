/**
 * The action deleteCheckpoints on a real API server: two controllers with the permissions and admission policies of the install.
 * Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ApiServer, eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { ROOT } from "../support/sources";
import { isReady, PoliciesInstall } from "./support/policies-install";

const config = kubeconfig();
const MERGE = { contentType: "application/merge-patch+json" };
const WEEK = 7 * 86_400;

interface Retention {
  readonly selected: number;
  readonly totalBytes: number;
  readonly toDelete: number;
  readonly next?: readonly { readonly name: string }[];
  readonly kept?: readonly { readonly reason: string; readonly count: number }[];
}

(config === undefined ? describe.skip : describe)("retention on a real API server", () => {
  let api: ApiServer;
  let install: PoliciesInstall;
  let checkpoints: string;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    install = new PoliciesInstall(api, "retention");
    checkpoints = `/apis/automation.cedana.ai/v1alpha1/namespaces/${install.team}/checkpoints`;
    await install.start({ actions: ["checkpoint", "deleteCheckpoints"] });
  });
  afterAll(async () => {
    await install.stop();
    api.close();
  });

  /** Brings back a completed Checkpoint from a backup: of a pod of the StatefulSet `web`, taken some days ago. */
  async function saved(name: string, days: number, policy: string, spec: object = {}): Promise<void> {
    const time = new Date(Date.now() - days * 86_400_000).toISOString();
    await install.send("POST", checkpoints, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name, labels: { "cedana.ai/policy": policy, "cedana.ai/policy-uid": `uid-of-${policy}` } },
      spec: { podRef: { name: `${policy}-0` }, ...spec },
      record: {
        checkpointUID: `backup-of-${name}`,
        result: {
          podUID: `pod-of-${policy}`,
          owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "s" },
          startTime: time,
          completionTime: time,
          sizeBytes: 1000,
        },
      },
    });
  }

  const ready = (policy: string) =>
    eventually(60, "they are Ready", async () => (await install.taken(policy)).every(isReady));
  const names = async (policy: string) =>
    (await install.taken(policy)).map(({ metadata }) => metadata.name).toSorted();
  const claim = (name: string) =>
    install.send(
      "PATCH",
      `${checkpoints}/${name}/status`,
      { status: { restore: { state: "Claimed", claim: "c", time: new Date().toISOString() } } },
      MERGE,
    );
  const retentionOf = async (policy: string) =>
    ((await install.statusOf(policy)) as { retention?: Retention }).retention;

  test("a dry run says what the next run would delete, and why the rest stays", async () => {
    for (const days of [30, 20, 10, 1]) await saved(`dry-${days}`, days, "dry", { pinned: days === 20 });
    await ready("dry");
    await install.policy("dry-run", {
      trigger: { heartbeat: { intervalSeconds: 86_400, jitterSeconds: 0 } },
      action: { deleteCheckpoints: { policies: ["dry"], olderThanSeconds: WEEK, dryRun: true } },
    });
    await eventually(60, "the status has all", async () => (await retentionOf("dry-run"))?.selected === 4);
    expect(await retentionOf("dry-run")).toEqual({
      selected: 4,
      totalBytes: 4000,
      toDelete: 2,
      next: [30, 10].map((days) => ({
        namespace: install.team,
        name: `dry-${days}`,
        reason: "OlderThan",
        message: expect.stringMatching(/^ended \d+ s ago; olderThanSeconds is 604800$/) as string,
      })),
      kept: [
        { reason: "Pinned", count: 1 },
        { reason: "LastGood", count: 1 },
      ],
    });
  }, 200_000);

  test("policy test shows before a policy is applied what its status shows afterwards", async () => {
    const spec = {
      trigger: { heartbeat: { intervalSeconds: 86_400, jitterSeconds: 0 } },
      action: { deleteCheckpoints: { policies: ["dry"], keepLast: 2, dryRun: true } },
    };
    const file = join(install.folder, "policy.json");
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: "automation.cedana.ai/v1alpha1",
        kind: "CheckpointPolicy",
        metadata: { name: "tested", namespace: install.team },
        spec,
      }),
    );
    const test = (...args: readonly string[]) => {
      const command = [join(ROOT, "dist/bin/cedana-cdk.js"), "policy", "test", "-f", file, ...args];
      const { stdout, stderr, status } = spawnSync(process.execPath, command, {
        cwd: install.folder,
        encoding: "utf8",
        env: { PATH: process.env["PATH"], KUBECONFIG: config },
      });
      expect([stderr, status]).toEqual(["", 0]);
      return stdout;
    };
    expect(test()).toContain(
      `CheckpointPolicy ${install.team}/tested would delete 1 of 4 Checkpoints, 1000 of 4000 bytes: dryRun is true, so it deletes none`,
    );
    const { policies } = JSON.parse(test("--output", "json")) as { policies: [{ retention: Retention }] };
    await install.policy("tested", spec);
    await eventually(60, "the status has all", async () => (await retentionOf("tested"))?.selected === 4);
    const { selected, totalBytes, toDelete, next, kept } = policies[0].retention;
    expect(await retentionOf("tested")).toEqual({ selected, totalBytes, toDelete, next, kept });
    expect(next?.map(({ name }) => name)).toEqual(["dry-30"]);
  }, 120_000);

  test("the API server rejects deletions of the controller's account for what is pinned, claimed or has not ended", async () => {
    const as = `system:serviceaccount:${install.system}:retention-controller`;
    const remove = async (name: string) => {
      const path = `${checkpoints}/${name}?dryRun=All`;
      const { status, body } = await api.request<{ message?: string }>("DELETE", path, undefined, { as });
      return `${status} ${status === 200 ? "" : body.message}`;
    };
    await saved("guard-pinned", 9, "guard", { pinned: true });
    await saved("guard-claimed", 9, "guard");
    await saved("guard-ended", 9, "guard");
    await ready("guard");
    await claim("guard-claimed");
    expect(await remove("guard-pinned")).toMatch(/^403 .*deletes no Checkpoint whose spec.pinned is true/);
    expect(await remove("guard-claimed")).toMatch(/^403 .*deletes no Checkpoint that a pod has claimed/);
    expect(await remove("guard-ended")).toMatch(/^200 /);
    await install.send("POST", `/api/v1/namespaces/${install.team}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "pending-0" },
      spec: { nodeName: install.node, containers: [{ name: "app", image: "app:1" }] },
    });
    await install.send("POST", checkpoints, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name: "guard-open" },
      spec: { podRef: { name: "pending-0" } },
    });
    expect(await remove("guard-open")).toMatch(/^403 .*deletes no Checkpoint that has not ended/);
  }, 120_000);

  test("deletes what exceeds the limits, also if the leader is killed in between", async () => {
    for (let days = 1; days <= 60; days++) await saved(`kept-${days}`, days, "kept", { pinned: days === 50 });
    await ready("kept");
    await claim("kept-40");
    await install.policy("retention", {
      trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 0 } },
      action: { deleteCheckpoints: { policies: ["kept"], olderThanSeconds: WEEK, keepLast: 8 } },
      minSpacingSeconds: 0,
    });
    await eventually(90, "some are deleted", async () => (await names("kept")).length < 58);
    await install.killLeader();
    const left = [1, 2, 3, 4, 5, 6, 7, 8, 40, 50].map((days) => `kept-${days}`).toSorted();
    expect((await names("kept")).length).toBeGreaterThan(left.length);
    await eventually(150, "the next leader has deleted the rest", async () => {
      return (await names("kept")).join() === left.join();
    });
    await eventually(90, "the status has it", async () => (await retentionOf("retention"))?.toDelete === 0);
    expect((await retentionOf("retention"))?.kept).toEqual([
      { reason: "Pinned", count: 1 },
      { reason: "InUse", count: 1 },
      { reason: "LastGood", count: 1 },
      { reason: "KeepLast", count: 7 },
    ]);
  }, 400_000);
});
