import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "./sources";

/** A policy that the documentation shows. */
export interface DocumentedPolicy {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: object;
}

/** Policies in the YAML blocks of docs/policies.md. */
export const DOCUMENTED_POLICIES: readonly DocumentedPolicy[] = [
  ...readFileSync(join(ROOT, "docs/policies.md"), "utf8").matchAll(/```yaml\n([\s\S]*?)```/g),
]
  .flatMap(([, text = ""]) =>
    [...parseAllDocuments(text)].map((one) => one.toJS() as DocumentedPolicy | null),
  )
  .filter((one) => one !== null)
  .filter(({ kind }) => kind === "CheckpointPolicy" || kind === "ClusterCheckpointPolicy");
