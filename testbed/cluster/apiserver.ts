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

export interface ApiResponse<T = Record<string, unknown>> {
  /** Values of its Warning headers. */
  readonly warnings: readonly string[];
  readonly status: number;
  readonly body: T;
}

interface Options {
  /** Acts as this user, as `kubectl --as`. */
  readonly as?: string;
  /** Authenticates with this token instead of the client certificate. */
  readonly token?: string;
  readonly contentType?: string;
  /** Default application/json. */
  readonly accept?: string;
}

const MISSING =
  "CEDANA_INTEGRATION_KUBECONFIG is not set: it must name the kubeconfig, with client certificates, of a disposable cluster; or set CEDANA_INTEGRATION_ALLOW_MISSING=1 to skip these tests.";

/** Returns the path of the kubeconfig, or undefined if it is not set and CEDANA_INTEGRATION_ALLOW_MISSING=1. @throws Error if it is required */
export function kubeconfig(): string | undefined {
  const path = process.env["CEDANA_INTEGRATION_KUBECONFIG"];
  if (path !== undefined && path !== "") return path;
  if (process.env["CEDANA_INTEGRATION_ALLOW_MISSING"] === "1") return undefined;
  throw new Error(MISSING);
}

/**
 * A Kubernetes API server over HTTPS with plain JSON. A typed client would drop unknown fields, which these tests must see.
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
  ): Promise<ApiResponse<T>> {
    return new Promise((resolve, reject) => {
      const headers = {
        "content-type": contentType,
        accept,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(as === undefined ? {} : { "impersonate-user": as, "impersonate-group": "system:authenticated" }),
      };
      const agent = token === undefined ? this.#agent : this.#anonymous;
      const sent = request(this.#origin + path, { method, headers, agent }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => {
          const text = Buffer.concat(parts).toString();
          const { statusCode: status = 0, headersDistinct } = response;
          const warnings = headersDistinct["warning"] ?? [];
          try {
            resolve({ status, warnings, body: JSON.parse(text) as T });
          } catch {
            // For a group that it does not serve (yet), the body is the text "404 page not found".
            if (status >= 400) resolve({ status, warnings, body: { message: text } as T });
            else reject(new Error(`${method} ${path}: ${text.slice(0, 200)}`));
          }
        });
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Returns the path of an object by API discovery, which lists a new kind some seconds after its CRD is created. */
  async pathOf({ apiVersion, kind, metadata }: KubernetesObject): Promise<string> {
    const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const find = () => this.#resources.get(`${apiVersion}/${kind}`);
    if (!find())
      await eventually(20, `the API server serves ${apiVersion} ${kind}`, async () => {
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

  /** Sends a request. @returns the body of the response @throws Error with the response if it failed */
  async send<T = KubernetesObject>(
    method: string,
    path: string,
    body?: unknown,
    options: Options = {},
  ): Promise<T> {
    const { status, body: response } = await this.request<T>(method, path, body, options);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(response)}`);
    return response;
  }

  /** Applies an object server-side and forces conflicts. Unknown and duplicate fields are errors. */
  async apply(
    object: KubernetesObject,
    options: Options & { dryRun?: true } = {},
  ): Promise<ApiResponse<KubernetesObject>> {
    const query = `?fieldManager=cedana-cdk-integration&force=true&fieldValidation=Strict${options.dryRun ? "&dryRun=All" : ""}`;
    return this.request("PATCH", (await this.pathOf(object)) + query, object, {
      ...options,
      contentType: "application/apply-patch+yaml",
    });
  }

  /** Creates an object by a dry run. */
  async tryCreate(object: KubernetesObject): Promise<ApiResponse> {
    const path = await this.pathOf(object);
    const collection = path.slice(0, path.lastIndexOf("/"));
    return this.request("POST", `${collection}?dryRun=All&fieldValidation=Strict`, object);
  }

  async delete(object: KubernetesObject, options: Options = {}): Promise<ApiResponse> {
    return this.request(
      "DELETE",
      `${await this.pathOf(object)}?propagationPolicy=Background`,
      undefined,
      options,
    );
  }

  /** Checks a permission of a user by a SubjectAccessReview. */
  async isAllowed(user: string, permission: Permission): Promise<boolean> {
    const { body } = await this.request<{ status: { allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: {
          user,
          groups: ["system:authenticated", "system:serviceaccounts"],
          ...("path" in permission
            ? { nonResourceAttributes: permission }
            : { resourceAttributes: permission }),
        },
      },
    );
    return body.status.allowed;
  }
}

export type Permission =
  | {
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      readonly subresource?: string;
      readonly namespace?: string;
      readonly name?: string;
    }
  | { readonly verb: string; readonly path: string };

/** Polls until a condition holds. @throws Error with the description after `seconds` */
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
