/** The reasons of metrics. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ADMISSIONS, failureCause, OUTCOMES } from "../../../../controller/restore/reasons";
import { ROOT } from "../../../support/sources";

test("the causes of failed restores are those of the runtime and of the agent", () => {
  const runtime = readFileSync(join(ROOT, "runtime/internal/plan/state.go"), "utf8");
  const ofRuntime = [...runtime.matchAll(/^\tReason\w+ = "(\w+)"$/gm)].map(([, cause = ""]) => cause);
  const agent = readFileSync(join(ROOT, "agent/engines/criu/restore-job.ts"), "utf8");
  const ofAgent = [...agent.matchAll(/this\.decline\(\s*spec,\s*"(\w+)"/g)].map(([, cause = ""]) => cause);
  expect(ofRuntime.length).toBeGreaterThan(5);
  expect(ofAgent.length).toBeGreaterThan(2);
  for (const cause of [...ofRuntime, ...ofAgent]) expect(failureCause(cause)).toBe(cause);
});

test("another cause, as a compromised node may report it, adds no series", () => {
  expect(["", "x".repeat(63), "Incompatible ", undefined].map(failureCause)).toEqual(
    Array.from({ length: 4 }, () => "Other"),
  );
});

test("each series has one start", () => {
  for (const list of [ADMISSIONS, OUTCOMES]) {
    const keys = list.map(({ result, reason }) => `${result} ${reason}`);
    expect(new Set(keys).size).toBe(keys.length);
  }
});
