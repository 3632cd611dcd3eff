import { exchange, NoAnswerError, type Answer } from "../exchange";
import type { Json } from "../../kube/client";
import { KubeletError } from "./error";

export interface KubeletClientOptions {
  /** Such as https://10.0.0.1:10250. */
  readonly url: string;
  /** Read for each request: both are renewed while the pod runs. */
  readonly token: () => Promise<string>;
  /** Certificates (PEM) by which the kubelet's is checked. */
  readonly ca: () => Promise<string>;
}

/** One container of a pod on the kubelet's node. */
export interface KubeletContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** Added to the kubelet's own time: its answer has to come back. */
const GRACE_MS = 15_000;

const RIGHT = "create on nodes/checkpoint";

/** The API of one kubelet, as far as it takes checkpoints. */
export class KubeletClient {
  private readonly url: URL;

  /** @throws TypeError if `url` is none */
  constructor(private readonly options: KubeletClientOptions) {
    this.url = new URL(options.url);
  }

  /**
   * Has a container checkpointed; it runs on. Not sent a second time whatever comes of it.
   *
   * @param timeoutSeconds how long the kubelet gives the container runtime
   * @returns paths on the node of what was written
   * @throws KubeletError; the signal's reason if nothing had left; what `token` and `ca` throw
   */
  async checkpoint(
    { namespace, pod, container, timeoutSeconds }: KubeletContainer & { readonly timeoutSeconds: number },
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    const way = [namespace, pod, container].map((part) => encodeURIComponent(part)).join("/");
    const url = new URL(`/checkpoint/${way}`, this.url);
    url.searchParams.set("timeout", String(timeoutSeconds));
    const [token, ca] = await Promise.all([this.options.token(), this.options.ca()]);
    signal?.throwIfAborted();
    let answer: Answer;
    try {
      answer = await exchange({
        method: "POST",
        url,
        ca,
        headers: { authorization: `Bearer ${token}`, "user-agent": "cedana-agent" },
        timeoutMs: timeoutSeconds * 1000 + GRACE_MS,
        signal,
      });
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error;
      throw new KubeletError(`the kubelet at ${url.host} did not answer: ${error.message}`, {
        outcome: error.left ? "unknown" : "refused",
        retryable: true,
        cause: error.cause,
      });
    }
    if (answer.status !== 200) throw this.errorOf(answer, `${namespace}/${pod}`, container);
    return this.pathsIn(answer);
  }

  private errorOf({ status, text }: Answer, pod: string, container: string): KubeletError {
    const said = text.trim().slice(0, 1024) || `HTTP ${status}`;
    const refused = (message: string, retryable: boolean) =>
      new KubeletError(message, { status, outcome: "refused", retryable });
    const { host } = this.url;
    if (status === 401)
      return refused(`the kubelet at ${host} does not know this account's token: ${said}`, true);
    if (status === 403)
      return refused(`the kubelet at ${host} refuses: the account needs ${RIGHT}: ${said}`, true);
    if (status === 404)
      return refused(`the kubelet at ${host} has no container ${container} in a pod ${pod}: ${said}`, false);
    if (status >= 500)
      return new KubeletError(`the kubelet at ${host} says: ${said}`, {
        status,
        outcome: "failed",
        retryable: true,
      });
    return refused(`the kubelet at ${host} refuses with ${status}: ${said}`, false);
  }

  private pathsIn({ status, text }: Answer): readonly string[] {
    const paths = itemsIn(text);
    if (paths.length > 0 && paths.every((path) => typeof path === "string" && path.startsWith("/")))
      return paths as readonly string[];
    throw new KubeletError(
      `the kubelet at ${this.url.host} answers 200 without the path of an archive: ${text.slice(0, 200) || "(empty)"}`,
      { status, outcome: "unknown", retryable: true },
    );
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
