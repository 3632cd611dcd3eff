import * as http from "node:http";
import * as https from "node:https";
import type { Json } from "../../kube/client";

export interface Call {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly body?: Json;
  /** Added to those of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Certificates (PEM) that a server's must be signed by. Default: Node's own. */
  readonly ca?: string;
  /** Until the whole answer is read. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Where a redirect would lead. */
  readonly location?: string;
}

/** There was no answer, or not all of it. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";

  constructor(
    message: string,
    /** Whether any of the request may have reached the other side. */
    readonly left: boolean,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** What is asked is in the same cluster. */
const CONNECT_TIMEOUT_MS = 10_000;

/** No answer is longer; a list of the manager has some hundred bytes for each container of a namespace. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * One request on a connection of its own: on a kept one nobody could say whether a request that got no answer had left.
 * Redirects are not followed.
 *
 * @throws NoAnswerError; the signal's reason if it is given before anything left
 */
export function exchange({ method, url, body, headers, ca, timeoutMs, signal }: Call): Promise<Answer> {
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const secure = url.protocol === "https:";
  return new Promise((resolve, reject) => {
    let left = false;
    let over = false;
    const call = (secure ? https : http).request(url, {
      method,
      agent: false,
      headers: { ...headersOf(content), ...headers },
      ...(ca === undefined ? {} : { ca }),
    });

    const end = (settle: () => void) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      clearTimeout(connecting);
      signal?.removeEventListener("abort", abort);
      settle();
      call.destroy();
    };
    const fail = (message: string, cause?: unknown) =>
      end(() => reject(new NoAnswerError(message, left, cause)));
    const abort = () => {
      if (left) fail("the request was given up", signal?.reason);
      else end(() => reject(signal?.reason as Error));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
    const connecting = setTimeout(() => {
      if (!left) fail(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`);
    }, CONNECT_TIMEOUT_MS);

    call.on("error", (error: NodeJS.ErrnoException) => fail(said(error), error));
    call.on("socket", (socket) => {
      // What is written before is kept in memory until the connection stands.
      if (!secure && !socket.connecting) left = true;
      socket.once(secure ? "secureConnect" : "connect", () => (left = true));
      socket.setKeepAlive(true, 15_000);
    });
    call.on("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_BYTES) fail(`the answer is longer than ${MAX_BYTES} bytes`);
        else chunks.push(chunk);
      });
      response.on("error", (error) => fail(`the answer was cut off: ${said(error)}`, error));
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response;
        const text = Buffer.concat(chunks).toString("utf8");
        end(() => resolve({ status, text, ...(headers.location ? { location: headers.location } : {}) }));
      });
    });

    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort, { once: true });
    call.end(content);
  });
}

function headersOf(content: Buffer | undefined): Record<string, string | number> {
  return {
    accept: "application/json",
    "user-agent": "cedana-controller",
    ...(content ? { "content-type": "application/json", "content-length": content.length } : {}),
  };
}

/** Node joins the errors of several addresses under an empty message. */
function said(error: NodeJS.ErrnoException): string {
  if (error.message) return error.message;
  const { errors = [] } = error as { errors?: readonly Error[] };
  return errors.map(({ message }) => message).join("; ") || (error.code ?? "no connection");
}
