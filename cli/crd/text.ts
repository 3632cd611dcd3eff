import { isNoop } from "./plan";
import type { CrdReport } from "./upgrade";

/** Formats a report: one line of state, and one for each step of the upgrade. */
export function reportText(report: CrdReport): string {
  const { name, servedVersions, storedVersions, storageVersion, objects, problems } = report;
  const state =
    servedVersions === undefined
      ? "missing"
      : `serves ${servedVersions.join(", ")}; objects: ${objects}, stored as ${(storedVersions ?? []).join(", ")}; toolkit: ${storageVersion}`;
  const lines = [
    ...problems.map((problem) => `rejected: ${problem}`),
    ...(isNoop(report) ? ["current"] : stepsOf(report).map((step) => `to do: ${step}`)),
  ];
  return `${name}  ${state}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

function stepsOf(report: CrdReport): readonly string[] {
  const { definition, migrateTo, staleVersions, droppedVersions, objects } = report;
  const steps = [];
  if (definition === "create") steps.push("create");
  if (definition === "update") steps.push("update versions and names");
  if (migrateTo !== undefined) steps.push(`rewrite ${objects} objects into ${migrateTo}`);
  if (staleVersions.length > 0) steps.push(`remove ${staleVersions.join(", ")} from status.storedVersions`);
  if (droppedVersions.length > 0) steps.push(`stop serving ${droppedVersions.join(", ")}`);
  return steps;
}
