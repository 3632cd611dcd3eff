import { object, optional, type Optional, type Schema, type ValidationRule } from "./schema";

/** API group of this project's kinds. */
export const AUTOMATION_GROUP = "automation.cedana.ai";

/** Engines that `spec.engine` of a Checkpoint may name. */
export const ENGINES = ["cedana", "criu"] as const;
export type EngineName = (typeof ENGINES)[number];

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly format?: "int64";
  readonly jsonPath: string;
  readonly description?: string;
  /** 1: only with `-o wide`. */
  readonly priority?: 1;
}

/** A kind of the Kubernetes API: everything that its CustomResourceDefinition contains. */
export interface Kind {
  readonly group: string;
  readonly version: string;
  /** `<group>/<version>`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly scope: "Namespaced" | "Cluster";
  /** Name of the CustomResourceDefinition: `<plural>.<group>`, as Kubernetes requires. */
  readonly crdName: string;
  readonly schema: Schema;
  readonly columns: readonly Column[];
  /** JSON paths by which the API server can select objects: `fieldSelector=spec.podRef.name=web-0`. At most 8. */
  readonly selectable?: readonly string[];
}

type KindInput = Omit<Kind, "apiVersion" | "crdName" | "schema"> & {
  readonly description: string;
  readonly spec: Schema | Optional;
  /** What the controller writes beside the spec, because backups drop the status. */
  readonly record?: Schema;
  readonly status: Schema;
  /** Rules across spec and status. */
  readonly rules?: readonly ValidationRule[];
};

/** Completes the definition of a kind. */
export function defineKind({ description, spec, record, status, rules = [], ...kind }: KindInput): Kind {
  return {
    ...kind,
    apiVersion: `${kind.group}/${kind.version}`,
    crdName: `${kind.plural}.${kind.group}`,
    schema: object(
      description,
      {
        apiVersion: optional({ type: "string" }),
        kind: optional({ type: "string" }),
        metadata: optional({ type: "object" }),
        spec,
        ...(record === undefined ? {} : { record: optional(record) }),
        status: optional(status),
      },
      rules,
    ),
  };
}

const readyCondition = (field: string) => `.status.conditions[?(@.type=="Ready")].${field}`;

/** Columns with status and reason of the condition `Ready`. */
export const READY_COLUMNS: readonly Column[] = [
  { name: "Ready", type: "string", jsonPath: readyCondition("status") },
  { name: "Reason", type: "string", jsonPath: readyCondition("reason") },
];

export const SIZE_COLUMN: Column = {
  name: "Size",
  type: "integer",
  format: "int64",
  jsonPath: ".status.sizeBytes",
  description: "In bytes.",
};

export const AGE_COLUMN: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
