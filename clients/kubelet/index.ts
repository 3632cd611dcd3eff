/** Client of the kubelet's API: takes checkpoints of containers. */
import { NoResponseError, exchange, type HttpResponse, type Json, type Outcome } from "../../http";

export interface KubeletErrorDetails {
  /** HTTP status, if there was a response. */
  readonly status?: number;
  readonly outcome: Outcome;
  /** Whether a retry may succeed. A second checkpoint does no harm: the container keeps running. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/** A failed request to a kubelet. The message includes the kubelet's own, truncated to 1,024 characters. */
export class KubeletError extends Error {
  override readonly name = "KubeletError";
  readonly status?: number;
  readonly outcome: Outcome;
  readonly retryable: boolean;

  constructor(message: string, { status, outcome, retryable, cause }: KubeletErrorDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.outcome = outcome;
    this.retryable = retryable;
  }
}

export interface KubeletClientOptions {
  /** Such as https://10.0.0.1:10250. */
  readonly url: string;
  /** Called for each request, because token and certificates are renewed while the pod runs. */
  readonly token: () => Promise<string>;
  /** PEM certificates, one of which must have signed the kubelet's. */
  readonly ca: () => Promise<string>;
}

/** One container of a pod on the kubelet's node. */
export interface KubeletContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** Added to the kubelet's own timeout, so that its response arrives. */
const GRACE_MS = 15_000;

const CONNECT_TIMEOUT_MS = 10_000;

/** The checkpoint API of one kubelet. */
export class KubeletClient {
  private readonly url: URL;

  /** @throws TypeError if `url` is not a URL */
  constructor(private readonly options: KubeletClientOptions) {
    this.url = new URL(options.url);
  }

  /**
   * Takes a checkpoint of a container, which keeps running. Never retried.
   *
   * @param timeoutSeconds the kubelet's timeout for the container runtime
   * @returns paths of the archives on the node
   * @throws KubeletError; the signal's reason if nothing was sent; what `token` and `ca` throw
   */
  async checkpoint(
    { namespace, pod, container, timeoutSeconds }: KubeletContainer & { readonly timeoutSeconds: number },
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    const path = [namespace, pod, container].map((name) => encodeURIComponent(name)).join("/");
    const url = new URL(`/checkpoint/${path}`, this.url);
    url.searchParams.set("timeout", String(timeoutSeconds));
    const [token, ca] = await Promise.all([this.options.token(), this.options.ca()]);
    const headers = {
      accept: "application/json",
      authorization: `Bearer ${token}`,
      "user-agent": "cedana-agent",
    };
    let response: HttpResponse;
    try {
      response = await exchange(
        { method: "POST", url, ca, headers, connectTimeoutMs: CONNECT_TIMEOUT_MS },
        { timeoutMs: timeoutSeconds * 1000 + GRACE_MS, signal },
      );
    } catch (error) {
      if (!(error instanceof NoResponseError)) throw error;
      const { message, outcome, cause } = error;
      throw new KubeletError(`the request to the kubelet at ${url.host} failed: ${message}`, {
        outcome,
        retryable: true,
        cause,
      });
    }
    const { status } = response;
    const text = response.body.toString("utf8");
    if (status !== 200) throw this.statusError(status, text, `${namespace}/${pod}`, container);
    return this.pathsIn(text);
  }

  private statusError(status: number, text: string, pod: string, container: string): KubeletError {
    const reason = text.trim().slice(0, 1024) || `HTTP ${status}`;
    const kubelet = `the kubelet at ${this.url.host}`;
    const refused = (message: string, retryable: boolean) =>
      new KubeletError(`${kubelet} ${message}: ${reason}`, { status, outcome: "refused", retryable });
    if (status === 401) return refused("rejects this ServiceAccount's token", true);
    if (status === 403) return refused("requires the permission create on nodes/checkpoint", true);
    if (status === 404) return refused(`has no container ${container} in pod ${pod}`, false);
    if (status < 500) return refused(`rejects the request with ${status}`, false);
    const details = { status, outcome: "failed", retryable: true } as const;
    return new KubeletError(`${kubelet} failed: ${reason}`, details);
  }

  private pathsIn(text: string): readonly string[] {
    const paths = itemsIn(text);
    if (paths.length > 0 && paths.every((path) => typeof path === "string" && path.startsWith("/")))
      return paths as readonly string[];
    const given = text.slice(0, 200) || "(empty)";
    const message = `the response of the kubelet at ${this.url.host} has no archive path: ${given}`;
    throw new KubeletError(message, { status: 200, outcome: "unknown", retryable: true });
  }
}

function itemsIn(text: string): readonly Json[] {
  try {
    const { items } = JSON.parse(text) as { readonly items?: Json };
    return Array.isArray(items) ? (items as readonly Json[]) : [];
  } catch {
    return [];
  }
}
