import { isObject, type Json } from "../../../http";
import { parsedOrText, unquoted, UnexpectedResponseError } from "../response";

/** A heartbeat policy for the pods of a namespace. */
export interface HeartbeatPolicy {
  /** Id of the cluster on the platform. */
  readonly clusterId: string;
  readonly namespace: string;
  /** `heartbeat_time`. The API names no unit. */
  readonly heartbeat: number;
  /** State directory of the container runtime. */
  readonly root: string;
}

/** A policy in the platform, of any client. A field that is missing or of another type is undefined. */
export interface PlatformPolicy {
  readonly id: string;
  /** `status`. The API documents no values. */
  readonly status?: string;
  readonly type?: string;
  /** `input`: of a heartbeat its `heartbeat_time`. */
  readonly heartbeat?: number;
  /** What it selects: `pods`, `namespace` or `jobs`. */
  readonly resource?: string;
  readonly resources: readonly string[];
  readonly pods?: number;
}

/** Returns the body of a request. @param id of an existing policy */
export function requestOf(
  { clusterId, namespace, heartbeat, root }: HeartbeatPolicy,
  id?: string,
): Readonly<Record<string, Json>> {
  return {
    ...(id === undefined ? {} : { id }),
    cluster_id: clusterId,
    policy_type: "heartbeat",
    heartbeat_time: heartbeat,
    resource: "namespace",
    resource_name: namespace,
    resource_ids: [],
    runc_root: root,
  };
}

/** Pattern of an id: a UUID as documented. It accepts any single word, so that an id of another form is not lost. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/;

/** Returns the id in a response, with or without quotes. @throws UnexpectedResponseError */
export function idIn(text: string): string {
  const id = unquoted(parsedOrText(text));
  if (id !== undefined && ID.test(id)) return id;
  throw new UnexpectedResponseError(`the response has no id: ${brief(text)}`);
}

/** Returns the policies in a response. @throws UnexpectedResponseError if it is not a list, or a policy has no id */
export function policiesIn(text: string): readonly PlatformPolicy[] {
  const json = parsedOrText(text);
  if (!Array.isArray(json))
    throw new UnexpectedResponseError(`the response is not a list of policies: ${brief(text)}`);
  return (json as readonly Json[]).map((one) => {
    if (!isObject(one) || typeof one["id"] !== "string" || !ID.test(one["id"]))
      throw new UnexpectedResponseError(`the response has a policy without an id: ${brief(text)}`);
    const resources = one["resource_list"];
    return {
      id: one["id"],
      ...textField("status", one["status"]),
      ...textField("type", one["policy_type"]),
      ...textField("resource", one["resource"]),
      ...numberField("heartbeat", one["input"]),
      ...numberField("pods", one["pod_count"]),
      resources: Array.isArray(resources)
        ? (resources as Json[]).filter((name) => typeof name === "string")
        : [],
    };
  });
}

function textField<N extends string>(name: N, value: Json | undefined): { readonly [K in N]?: string } {
  return (typeof value === "string" ? { [name]: value } : {}) as { readonly [K in N]?: string };
}

function numberField<N extends string>(name: N, value: Json | undefined): { readonly [K in N]?: number } {
  return (typeof value === "number" ? { [name]: value } : {}) as { readonly [K in N]?: number };
}

function brief(text: string): string {
  return text.slice(0, 200) || "(empty)";
}
