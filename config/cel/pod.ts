import type { Environment } from "@marcbachmann/cel-js";

/** Type of a field of a pod. `map`: from strings to strings. */
export type FieldType =
  | "string"
  | "bool"
  | "int"
  | "map"
  | { readonly list: FieldType }
  | { readonly fields: Fields };
export type Fields = Readonly<Record<string, FieldType>>;

type Json = null | boolean | number | string | readonly Json[] | JsonObject;
interface JsonObject {
  readonly [field: string]: Json;
}

/**
 * What expressions read of a pod. The parts have what the pods of a workload have in common, so that one value of each is enough for
 * all of them; the other fields are those that differ.
 */
export interface PodFields {
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
  readonly status: JsonObject;
  readonly name?: string;
  readonly creationTimestamp?: string;
  readonly nodeName?: string;
  readonly startTime?: string;
}

const container: FieldType = {
  fields: {
    name: "string",
    image: "string",
    imagePullPolicy: "string",
    restartPolicy: "string",
    ports: { list: { fields: { name: "string", containerPort: "int", protocol: "string" } } },
    resources: { fields: { limits: "map", requests: "map" } },
  },
};

const containerStatus: FieldType = {
  fields: {
    name: "string",
    ready: "bool",
    started: "bool",
    restartCount: "int",
    image: "string",
  },
};

/**
 * Fields of a pod that an expression can read, as the API server serves them. Others are not cached: environment variables and
 * arguments may contain secrets, and each field is kept for all pods of the namespaces of checkpoints.
 */
export const POD_FIELDS = {
  metadata: {
    fields: {
      name: "string",
      namespace: "string",
      generateName: "string",
      creationTimestamp: "string",
      labels: "map",
      annotations: "map",
      ownerReferences: {
        list: { fields: { apiVersion: "string", kind: "string", name: "string", controller: "bool" } },
      },
    },
  },
  spec: {
    fields: {
      nodeName: "string",
      nodeSelector: "map",
      serviceAccountName: "string",
      schedulerName: "string",
      runtimeClassName: "string",
      priorityClassName: "string",
      priority: "int",
      restartPolicy: "string",
      terminationGracePeriodSeconds: "int",
      hostNetwork: "bool",
      containers: { list: container },
      initContainers: { list: container },
      volumes: {
        list: {
          // The names of some are unique: kube-api-access-5x8kq.
          fields: { persistentVolumeClaim: { fields: { claimName: "string" } } },
        },
      },
    },
  },
  status: {
    fields: {
      phase: "string",
      reason: "string",
      qosClass: "string",
      startTime: "string",
      conditions: { list: { fields: { type: "string", status: "string", reason: "string" } } },
      containerStatuses: { list: containerStatus },
      initContainerStatuses: { list: containerStatus },
    },
  },
} as const satisfies Fields;

/** Annotation in which kubectl keeps the whole object. It is not readable: it would double the memory of a pod. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * Returns the fields of a pod that an expression can read.
 * @param keep - stores a part of it, which many pods have
 */
export function readableFields(
  pod: unknown,
  keep: (value: JsonObject) => JsonObject = (value) => value,
): PodFields {
  const partOf = (name: keyof typeof POD_FIELDS) =>
    (pick(POD_FIELDS[name], fieldOf(pod as Json, name)) ?? {}) as JsonObject;
  const { name, creationTimestamp, ...metadata } = partOf("metadata");
  const { nodeName, ...spec } = partOf("spec");
  const { startTime, ...status } = partOf("status");
  return {
    metadata: keep(metadata),
    spec: keep(spec),
    status: keep(status),
    ...present({ name, creationTimestamp, nodeName, startTime }),
  };
}

/** Returns the pod with the fields at their place. */
function assembled(fields: PodFields): JsonObject {
  const { metadata, spec, status, name, creationTimestamp, nodeName, startTime } = fields;
  return {
    metadata: { ...metadata, ...present({ name, creationTimestamp }) },
    spec: { ...spec, ...present({ nodeName }) },
    status: { ...status, ...present({ startTime }) },
  };
}

/** Returns the fields that are set. */
function present(fields: { readonly [field: string]: Json | undefined }): {
  readonly [field: string]: string;
} {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function fieldOf(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the part of a value that has the type; undefined if it has another one. */
function pick(type: FieldType, value: Json | undefined): Json | undefined {
  if (value === undefined || value === null) return undefined;
  if (type === "string") return typeof value === "string" ? value : undefined;
  if (type === "bool") return typeof value === "boolean" ? value : undefined;
  if (type === "int") return Number.isInteger(value) ? value : undefined;
  if (type === "map") return isObject(value) ? withoutLastApplied(value) : undefined;
  if ("list" in type)
    return Array.isArray(value) ? value.flatMap((one: Json) => pick(type.list, one) ?? []) : undefined;
  if (!isObject(value)) return undefined;
  const picked: Record<string, Json> = {};
  for (const [name, field] of Object.entries(type.fields)) {
    const one = pick(field, fieldOf(value, name));
    if (one !== undefined) picked[name] = one;
  }
  return picked;
}

function withoutLastApplied(map: JsonObject): JsonObject {
  if (!(LAST_APPLIED in map)) return map;
  const { [LAST_APPLIED]: _, ...others } = map;
  return others;
}

/** Converts the fields of a pod to values of the library, and declares their types in an environment. */
export class PodTypes {
  private readonly convert: (value: Json) => unknown;

  constructor(environment: Environment) {
    const { name, convert } = declare(environment, "Pod", { fields: POD_FIELDS });
    environment.registerVariable("pod", name);
    this.convert = convert;
  }

  /** Returns the variables of an expression. */
  variables(fields: PodFields): { readonly pod: unknown } {
    return { pod: this.convert(assembled(fields)) };
  }
}

interface Declared {
  readonly name: string;
  readonly convert: (value: Json) => unknown;
}

function declare(environment: Environment, name: string, type: FieldType): Declared {
  switch (type) {
    case "string":
    case "bool":
      return { name: type, convert: (value) => value };
    case "int":
      return { name: "int", convert: (value) => BigInt(value as number) };
    case "map":
      return { name: "map<string, string>", convert: (value) => value };
    default:
      return "list" in type
        ? declareList(environment, name, type.list)
        : declareObject(environment, name, type.fields);
  }
}

function declareList(environment: Environment, name: string, items: FieldType): Declared {
  const item = declare(environment, `${name}Item`, items);
  return { name: `list<${item.name}>`, convert: (value) => (value as readonly Json[]).map(item.convert) };
}

function declareObject(environment: Environment, name: string, types: Fields): Declared {
  const declared = new Map(
    Object.entries(types).map(([field, type]) => [
      field,
      declare(environment, `${name}${field[0]?.toUpperCase()}${field.slice(1)}`, type),
    ]),
  );
  // The library finds the type of a value by its constructor. Most fields are not read, so each is converted when it is.
  class Value {
    constructor(readonly raw: JsonObject) {}
  }
  for (const [field, { convert }] of declared)
    Object.defineProperty(Value.prototype, field, {
      get(this: Value) {
        const value = this.raw[field];
        return value === undefined ? undefined : convert(value);
      },
    });
  const fields = Object.fromEntries([...declared].map(([field, { name: type }]) => [field, type]));
  environment.registerType(name, { ctor: Value, fields });
  return { name, convert: (value) => new Value(value as JsonObject) };
}
