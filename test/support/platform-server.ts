import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { respondWith, type Behaviour, type ManagerRequest } from "./manager-server";

/** A policy as the platform returns it. */
export interface StoredPolicy {
  readonly id: string;
  readonly status: string;
  readonly policy_type: string;
  readonly input: number;
  readonly resource: string;
  readonly resource_list: readonly string[];
  readonly pod_count: number;
}

export const TOKEN = "platform-token-of-the-test";

/** An id in the form of the platform's. */
export const policyId = (number: number) =>
  `0b8f5b0e-6d0c-4b52-9f3e-${number.toString(16).padStart(12, "0")}`;

/**
 * A test double of the policies of Cedana's platform (API v2), as its OpenAPI document describes them: paths, fields, types and the
 * shape of errors. What the document leaves open is as the client assumes it: a namespace in `resource_list`, and that the id stays.
 */
export class Platform {
  readonly requests: ManagerRequest[] = [];
  /** Faults of the next requests, each used once. Undefined: the documented behavior. */
  readonly next: (Behaviour | undefined)[] = [];
  /** The policies, by id. */
  readonly policies = new Map<string, StoredPolicy>();
  /** Cluster of each policy. A list does not have it. */
  readonly clusters = new Map<string, string>();
  /** Changes what is stored, as a platform does that does not keep what is written. */
  changes: (policy: StoredPolicy) => StoredPolicy = (policy) => policy;
  private created = 0;

  /** Requests that change something, as `operation`. */
  get writes(): readonly string[] {
    return this.requests.map(({ path }) => path.split("/").at(-1) ?? "").filter((name) => name !== "list");
  }

  /** Creates a policy, as a user does in the dashboard. */
  byUser(given: Partial<StoredPolicy> = {}): StoredPolicy {
    const id = policyId(0xf_0000 + ++this.created);
    const policy = {
      id,
      status: "active",
      policy_type: "heartbeat",
      input: 15,
      resource: "namespace",
      resource_list: ["team-a"],
      pod_count: 0,
      ...given,
    };
    this.policies.set(policy.id, policy);
    return policy;
  }

  /** Executes a request as documented. */
  handle(method: string, path: string, body: unknown): { readonly status: number; readonly body: string } {
    const error = (status: number, message: string) => ({
      status,
      body: JSON.stringify({ message, code: String(status) }),
    });
    const given = Object(body) as Record<string, unknown>;
    switch (`${method} ${path}`) {
      case "GET /v2/policy/list":
        return { status: 200, body: JSON.stringify([...this.policies.values()]) };
      case "POST /v2/policy/create":
      case "POST /v2/policy/update": {
        const wrong = problemOf(given);
        if (wrong !== undefined) return error(400, wrong);
        const isUpdate = path.endsWith("update");
        const id = isUpdate ? String(given["id"]) : policyId(++this.created);
        if (isUpdate && !this.policies.has(id))
          return error(500, "Failed to update policy from policy table");
        this.clusters.set(id, String(given["cluster_id"]));
        const stored = {
          id,
          status: "active",
          policy_type: String(given["policy_type"]),
          input: Number(given["heartbeat_time"]),
          resource: String(given["resource"]),
          resource_list: [String(given["resource_name"])],
          pod_count: 2,
        };
        this.policies.set(id, this.changes(stored));
        return { status: 200, body: id };
      }
      case "DELETE /v2/policy/delete":
        if (!this.policies.delete(String(given["id"])))
          return error(500, "Failed to delete policy from policy table");
        return { status: 200, body: JSON.stringify({ message: "deleted" }) };
      default:
        return error(404, "Not Found");
    }
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns what the schema of a request does not permit. */
function problemOf(given: Record<string, unknown>): string | undefined {
  const { heartbeat_time: heartbeat, resource_ids: ids, cluster_id: cluster } = given;
  if (!Number.isInteger(heartbeat) || Number(heartbeat) < 0) return "heartbeat_time: expected an integer";
  if (!Array.isArray(ids) || !ids.every((id) => UUID.test(String(id)))) return "resource_ids: expected UUIDs";
  if (typeof cluster !== "string") return "missing field cluster_id";
  if (!["pods", "namespace", "jobs"].includes(String(given["resource"]))) return "resource: unknown variant";
  if (given["policy_type"] !== "heartbeat") return "policy_type: unknown variant";
  const known = [
    "heartbeat_time",
    "resource_ids",
    "cluster_id",
    "id",
    "job_filter",
    "policy_type",
    "resource",
    "resource_name",
    "runc_root",
  ];
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  return unknown.length === 0 ? undefined : `unknown field ${unknown.join(", ")}`;
}

/** The platform behind HTTP, with a token. */
export class PlatformServer extends Platform {
  private constructor(private readonly server: Server) {
    super();
  }

  static async start(): Promise<PlatformServer> {
    const server = createServer();
    const platform = new PlatformServer(server);
    server.on("request", (request, response) => void platform.respond(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return platform;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(incoming.url ?? "/", "http://platform");
    let text = "";
    for await (const chunk of incoming) text += String(chunk);
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const { method = "" } = incoming;
    const request = { method, path, query: Object.fromEntries(searchParams), body };
    this.requests.push(request);
    const documented: Behaviour = () => {
      if (incoming.headers.authorization !== `Bearer ${TOKEN}`)
        return respondWith(401, '{"message":"Invalid API key"}')(request, response);
      const { status, body: content } = this.handle(method, path, body);
      const type = content.startsWith("{") || content.startsWith("[") ? "application/json" : "text/plain";
      return respondWith(status, content, { "content-type": type })(request, response);
    };
    const fault = this.next.shift();
    await (fault ?? documented)(request, response);
  }
}
