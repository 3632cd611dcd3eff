import { request as plainRequest, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { request as secureRequest } from "node:https";

export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface Call {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as it comes; `length` is its Content-Length. */
  readonly body?: { readonly content: Content; readonly length?: number };
  readonly agent?: Agent;
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** For the whole call, until the answer is read. */
  readonly timeoutMs: number;
  /** The call fails if nothing at all is sent or received for so long. */
  readonly idleTimeoutMs: number;
  /** The same, once all is sent. Default: the same. */
  readonly answerTimeoutMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** What went wrong in the content itself, not on the way: trying again would not help. */
export class ContentError extends Error {
  constructor(override readonly cause: unknown) {
    super("the content cannot be read");
  }
}

/** Answers of a registry are manifests and errors; the specification lets it refuse manifests over 4 MiB. */
const MAX_ANSWER = 4 << 20;

/**
 * One request and its whole answer.
 *
 * @throws ContentError if the body's content throws; the signal's reason; Error if no whole answer comes in time
 */
export async function exchange(call: Call): Promise<Answer> {
  const late = AbortSignal.timeout(call.timeoutMs);
  const signal = call.signal ? AbortSignal.any([call.signal, late]) : late;
  try {
    return await once({ ...call, signal });
  } catch (error) {
    call.signal?.throwIfAborted();
    if (late.aborted) throw new Error(`not done within ${call.timeoutMs / 1000} s`, { cause: error });
    throw error;
  }
}

function once({ method, url, headers, body, agent, signal, ...times }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body?.length === undefined ? {} : { "content-length": String(body.length) };
    const options = {
      method,
      headers: { ...headers, ...length },
      agent,
      signal,
      timeout: times.idleTimeoutMs,
    };
    const call = (url.protocol === "http:" ? plainRequest : secureRequest)(url, options);
    let patienceMs = times.idleTimeoutMs;
    call.on("timeout", () => call.destroy(new Error(`silent for ${patienceMs / 1000} s`)));
    call.on("finish", () => call.setTimeout((patienceMs = times.answerTimeoutMs ?? times.idleTimeoutMs)));
    call.on("error", reject);
    let answered = false;
    call.on("close", () => {
      if (!answered) reject(new Error("the connection was closed without an answer"));
    });
    call.on("response", (response) => {
      answered = true;
      // A registry may answer before it has everything; what is left is not sent then.
      read(response).then((answer) => {
        if (!call.writableFinished) call.destroy();
        resolve(answer);
      }, reject);
    });
    if (body === undefined) call.end();
    else
      send(call, body.content).catch((error: unknown) => {
        reject(new ContentError(error));
        call.destroy();
      });
  });
}

/** So much may wait to be sent: on a busy machine each wait for the other side costs milliseconds. */
const MAX_WAITING = 4 << 20;

/** Sends content no faster than it is taken. Only errors of the content are thrown: those of the call are its own. */
async function send(call: ClientRequest, content: Content): Promise<void> {
  for await (const chunk of content) {
    if (call.destroyed) return;
    if (!call.write(chunk) && call.writableLength > MAX_WAITING) await writable(call);
  }
  if (!call.destroyed) call.end();
}

function writable(call: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done).off("close", done);
      resolve();
    };
    call.on("drain", done).on("close", done);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Error(`the answer is longer than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}
