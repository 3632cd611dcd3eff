import { request, type RequestOptions } from "node:https";
import { ApiError } from "./error";

/** One HTTPS connection option set of a kubeconfig: address, certificates, headers of authentication. */
export type Connect = (options: RequestOptions) => Promise<void>;

const TIMEOUT_MS = 30_000;

/** A Kubernetes API by raw JSON: what is sent and received is not passed through a model that drops fields. */
export class KubernetesApi {
  constructor(
    private readonly server: string,
    private readonly connect: Connect,
  ) {}

  /** @throws ApiError for an answer other than 2xx; Error if there is no answer within 30 s. */
  async send(
    method: "GET" | "PATCH" | "POST",
    path: string,
    body?: { readonly type: string; readonly content: unknown },
  ): Promise<unknown> {
    const url = new URL(path, this.server.endsWith("/") ? this.server : `${this.server}/`);
    const options: RequestOptions = {
      method,
      hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port || 443,
      path: `${url.pathname}${url.search}`,
      timeout: TIMEOUT_MS,
      headers: { accept: "application/json", ...(body ? { "content-type": body.type } : {}) },
    };
    await this.connect(options);
    const { status, text } = await exchange(options, body && JSON.stringify(body.content));
    if (status >= 200 && status < 300) return JSON.parse(text);
    throw new ApiError(status, messageOf(status, text));
  }
}

function messageOf(status: number, text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // Not a Status: a proxy in between answered.
  }
  return `HTTP ${status}`;
}

function exchange(options: RequestOptions, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.on("error", reject);
    call.end(body);
  });
}
