import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { parse } from "yaml";

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly [field: string]: unknown;
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
}

interface Options {
  /** Acts as this user, as `kubectl --as`. */
  readonly as?: string;
  /** Asks with this token instead of the client certificate. */
  readonly token?: string;
  readonly contentType?: string;
  /** Default application/json. */
  readonly accept?: string;
}

const MISSING =
  "CEDANA_INTEGRATION_KUBECONFIG is not set: it must name the kubeconfig, with client certificates, of a cluster that may be thrown away; or set CEDANA_INTEGRATION_ALLOW_MISSING=1 to skip these tests.";

/** Path of the kubeconfig, or undefined where it may be missing. @throws where it may not. */
export function kubeconfig(): string | undefined {
  const path = process.env["CEDANA_INTEGRATION_KUBECONFIG"];
  if (path !== undefined && path !== "") return path;
  if (process.env["CEDANA_INTEGRATION_ALLOW_MISSING"] === "1") return undefined;
  throw new Error(MISSING);
}

/**
 * A Kubernetes API server, spoken to in plain JSON over HTTPS. A typed client would drop the fields that it does not
 * know, and hide what is to be tested.
 */
export class ApiServer {
  readonly #origin: string;
  readonly #agent: Agent;
  /** Without the client certificate. */
  readonly #anonymous: Agent;
  readonly #resources = new Map<string, { readonly name: string; readonly namespaced: boolean }>();

  constructor(kubeconfig: string) {
    const config = parse(readFileSync(kubeconfig, "utf8")) as {
      clusters: { cluster: Record<string, string> }[];
      users: { user: Record<string, string> }[];
    };
    const { cluster } = config.clusters[0] ?? { cluster: {} };
    const { user } = config.users[0] ?? { user: {} };
    const decoded = (text: string | undefined) =>
      text === undefined ? undefined : Buffer.from(text, "base64");
    this.#origin = cluster["server"] ?? "";
    this.#agent = new Agent({
      keepAlive: true,
      ca: decoded(cluster["certificate-authority-data"]),
      cert: decoded(user["client-certificate-data"]),
      key: decoded(user["client-key-data"]),
    });
    this.#anonymous = new Agent({
      keepAlive: true,
      ca: decoded(cluster["certificate-authority-data"]),
    });
  }

  close(): void {
    this.#agent.destroy();
    this.#anonymous.destroy();
  }

  request<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    { as, token, contentType = "application/json", accept = "application/json" }: Options = {},
  ): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      const headers = {
        "content-type": contentType,
        accept,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(as === undefined ? {} : { "impersonate-user": as, "impersonate-group": "system:authenticated" }),
      };
      const agent = token === undefined ? this.#agent : this.#anonymous;
      const sent = request(this.#origin + path, { method, headers, agent }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("end", () => {
          const text = Buffer.concat(parts).toString();
          const { statusCode: status = 0 } = answer;
          try {
            resolve({ status, body: JSON.parse(text) as T });
          } catch {
            // "404 page not found" is all that it says of a group that it does not serve, or not yet.
            if (status >= 400) resolve({ status, body: { message: text } as T });
            else reject(new Error(`${method} ${path}: ${text.slice(0, 200)}`));
          }
        });
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Path of an object, by the API server's own discovery, which knows a new kind some seconds after its definition. */
  async pathOf({ apiVersion, kind, metadata }: KubernetesObject): Promise<string> {
    const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const find = () => this.#resources.get(`${apiVersion}/${kind}`);
    if (!find())
      await eventually(20, `the API server knows ${apiVersion} ${kind}`, async () => {
        await this.#discover(apiVersion, base);
        return find() !== undefined;
      });
    const resource = find()!;
    const namespace = resource.namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : "";
    return `${base}${namespace}/${resource.name}/${metadata.name}`;
  }

  async #discover(apiVersion: string, base: string): Promise<void> {
    const { body } = await this.request<{
      resources?: { name: string; kind: string; namespaced: boolean }[];
    }>("GET", base);
    for (const resource of body.resources ?? [])
      if (!resource.name.includes("/")) this.#resources.set(`${apiVersion}/${resource.kind}`, resource);
  }

  /** Server-side apply; unknown and doubled fields are errors. Others' fields are taken over: the cluster is thrown away. */
  async apply(
    object: KubernetesObject,
    options: Options & { dryRun?: true } = {},
  ): Promise<Answer<KubernetesObject>> {
    const query = `?fieldManager=cedana-cdk-integration&force=true&fieldValidation=Strict${options.dryRun ? "&dryRun=All" : ""}`;
    return this.request("PATCH", (await this.pathOf(object)) + query, object, {
      ...options,
      contentType: "application/apply-patch+yaml",
    });
  }

  /** Creates an object, without keeping it. */
  async tryCreate(object: KubernetesObject): Promise<Answer> {
    const path = await this.pathOf(object);
    const collection = path.slice(0, path.lastIndexOf("/"));
    return this.request("POST", `${collection}?dryRun=All&fieldValidation=Strict`, object);
  }

  async delete(object: KubernetesObject, options: Options = {}): Promise<Answer> {
    return this.request(
      "DELETE",
      `${await this.pathOf(object)}?propagationPolicy=Background`,
      undefined,
      options,
    );
  }

  /** Whether a user may do something: SubjectAccessReview. */
  async may(user: string, right: Right): Promise<boolean> {
    const { body } = await this.request<{ status: { allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: {
          user,
          groups: ["system:authenticated", "system:serviceaccounts"],
          ...("path" in right ? { nonResourceAttributes: right } : { resourceAttributes: right }),
        },
      },
    );
    return body.status.allowed;
  }
}

export type Right =
  | {
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      readonly subresource?: string;
      readonly namespace?: string;
      readonly name?: string;
    }
  | { readonly verb: string; readonly path: string };

/** Waits until something is so. @throws what `describe` says, after `seconds`. */
export async function eventually(
  seconds: number,
  describe: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${describe}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
