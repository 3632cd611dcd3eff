/**
 * Checkpoints as tools judge them: by the real kstatus, as Flux and cli-utils do, and by the Lua script of the docs in the Lua that
 * Argo CD uses. Needs the program of tools/gitops-health.mjs.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { CHECKPOINT, type CheckpointReason, type CheckpointStatus } from "../../api";
import { withPhase, type Phase } from "../../controller/checkpoints/state";
import { ROOT } from "../support/sources";
import { suiteWith } from "./support/terraform";

const PROGRAM = process.env["CEDANA_INTEGRATION_GITOPS_HEALTH"] ?? "gitops-health";
const missing =
  spawnSync(PROGRAM, [], { stdio: "ignore" }).error === undefined
    ? undefined
    : `${PROGRAM} does not run: build it, with Go, by \`export CEDANA_INTEGRATION_GITOPS_HEALTH=$(node tools/gitops-health.mjs)\``;

const metadata = {
  name: "one",
  namespace: "team-a",
  uid: "u",
  resourceVersion: "1",
  generation: 3,
  creationTimestamp: "2026-11-27T15:00:00Z",
};
const spec = { podRef: { name: "web-0" } };

/** Returns the script of docs/gitops.md. */
function script(): string {
  const page = readFileSync(join(ROOT, "docs/gitops.md"), "utf8");
  const [, block = ""] = /```yaml\n(# argocd-cm[^]*?)```/.exec(page) ?? [];
  const { data } = parse(block) as { data: Record<string, string> };
  return data["resource.customizations.health.automation.cedana.ai_Checkpoint"] ?? "";
}

interface Verdict {
  readonly kstatus: string;
  readonly argo: string;
  readonly message: string;
}

suiteWith(missing)("Checkpoints as tools judge them", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "gitops-health-"));
    writeFileSync(join(dir, "health.lua"), script());
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  function judge(status: CheckpointStatus | undefined): Verdict {
    const { apiVersion, kind } = CHECKPOINT;
    const object = { apiVersion, kind, metadata, spec, ...(status && { status }) };
    const input = `${JSON.stringify(object)}\n`;
    const { stdout, stderr } = spawnSync(PROGRAM, [join(dir, "health.lua")], { encoding: "utf8", input });
    if (stderr !== "") throw new Error(stderr);
    return JSON.parse(stdout) as Verdict;
  }
  const statusOf = (phase: Phase, reason: CheckpointReason, message: string) =>
    withPhase({ metadata, spec, status: {} }, {}, phase, reason, message, 0);

  test.each<[Phase, CheckpointReason, string, Omit<Verdict, "message">]>([
    ["pending", "Pending", "pod web-0 is not running yet", { kstatus: "InProgress", argo: "Progressing" }],
    ["requested", "CheckpointInProgress", "criu checkpoints", { kstatus: "InProgress", argo: "Progressing" }],
    ["completed", "CheckpointCompleted", "checkpointed app", { kstatus: "Current", argo: "Healthy" }],
    ["failed", "SourcePodNotFound", "pod web-0 does not exist", { kstatus: "Failed", argo: "Degraded" }],
  ])("a Checkpoint that is %s", (phase, reason, message, expected) => {
    expect(judge(statusOf(phase, reason, message))).toEqual({ ...expected, message });
  });

  test("Argo CD waits for a Checkpoint without a status", () => {
    expect(judge(undefined)).toMatchObject({ argo: "Progressing", message: "waits for the controller" });
  });

  test("a status of an earlier generation is in progress", () => {
    const status = { ...statusOf("completed", "CheckpointCompleted", "done"), observedGeneration: 2 };
    expect(judge(status)).toMatchObject({ kstatus: "InProgress" });
  });
});
