import * as http from "node:http";
import * as https from "node:https";
import { isIP, type Socket } from "node:net";
import { checkAddress, refusingLookup, type RefuseAddress } from "./addresses";
import { Deadline } from "./deadline";
import { NoResponseError, RequestBodyError, messageOf } from "./errors";

/** A JSON value. A field that is missing reads as undefined. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: Json | undefined;
}

/** Checks whether a JSON value is an object: neither null nor a list. */
export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: http.OutgoingHttpHeaders;
  /**
   * A stream is sent as fast as the server takes it; `length` is its Content-Length. Without a length it is sent in chunks
   * (Transfer-Encoding).
   */
  readonly body?: string | Uint8Array | { readonly content: Content; readonly length?: number };
  /**
   * Keeps and shares connections. Default: one connection for this request alone, so that a request whose connection the
   * server had already closed does not count as sent.
   */
  readonly agent?: http.Agent;
  /** PEM certificates, one of which must have signed the server's. Default: those of Node. */
  readonly ca?: string;
  /** `user:password` of Basic authentication. */
  readonly auth?: string;
  /** Decides which addresses may be connected to. Default: all. */
  readonly refuse?: RefuseAddress;
  readonly connectTimeoutMs?: number;
  /** The longest time without a byte in either direction. */
  readonly idleTimeoutMs?: number;
  /** The same once the request is sent. Default: `idleTimeoutMs`. */
  readonly responseIdleTimeoutMs?: number;
}

export interface ExchangeOptions {
  /** From the start of the request to the end of the response. */
  readonly timeoutMs: number;
  /** Cancels the request. */
  readonly signal?: AbortSignal;
  /** Default: 4 MiB. */
  readonly maxResponseBytes?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const MAX_RESPONSE_BYTES = 4 << 20;

/** Bytes of a stream that may wait to be sent: on a busy machine each wait for the server costs milliseconds. */
const MAX_BUFFERED_BYTES = 4 << 20;

/** Finds a peer that disappeared: the kernel probes an idle connection after this time. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Sends one request and returns the whole response. Redirects are not followed, and nothing is retried.
 *
 * @throws NoResponseError; RequestBodyError; the signal's reason if it was aborted before the request was sent
 */
export async function exchange(
  request: HttpRequest,
  { timeoutMs, signal, maxResponseBytes = MAX_RESPONSE_BYTES }: ExchangeOptions,
): Promise<HttpResponse> {
  const deadline = new Deadline(timeoutMs, `no response within ${timeoutMs / 1000} s`, signal);
  try {
    const response = await open(request, deadline);
    const { statusCode: status = 0, headers } = response;
    return { status, headers, body: await readBody(response, maxResponseBytes) };
  } finally {
    deadline.close();
  }
}

/**
 * Sends one request and returns its response once the headers are received. The deadline also ends the reading of the
 * response. Nothing is sent after the deadline, not even by a process that was stopped while it connected and sees its
 * connection before its timers.
 *
 * @throws as `exchange`
 */
export function open(request: HttpRequest, deadline: Deadline): Promise<http.IncomingMessage> {
  if (deadline.isOver) return Promise.reject(deadline.error(false));
  const { method, url, body, agent = false, ca, auth, refuse } = request;
  const { connectTimeoutMs, idleTimeoutMs, responseIdleTimeoutMs } = request;
  const literal = url.hostname.replace(/^\[(.*)\]$/, "$1");
  try {
    // A socket calls no lookup for a literal address.
    if (refuse && isIP(literal) !== 0) checkAddress(literal, refuse);
  } catch (error) {
    return Promise.reject(new NoResponseError(messageOf(error), false, error));
  }
  return new Promise((resolve, reject) => {
    // Node sends no length with the body of a DELETE: the server would take it for the next request.
    const bytes = body === undefined ? undefined : lengthOf(body);
    const length = bytes === undefined ? {} : { "content-length": bytes };
    const call = (url.protocol === "http:" ? http : https).request(url, {
      method,
      headers: { ...request.headers, ...length },
      agent,
      ca,
      auth,
      timeout: idleTimeoutMs,
      ...(refuse && { lookup: refusingLookup(refuse) }),
    });
    let sent = false;
    let response: http.IncomingMessage | undefined;
    const fail = (error: Error) => {
      reject(error);
      (response ?? call).destroy(error);
    };
    const abort = () => fail(deadline.error(sent));
    const connecting =
      connectTimeoutMs &&
      setTimeout(
        () => fail(new NoResponseError(`no connection within ${connectTimeoutMs / 1000} s`, false)),
        connectTimeoutMs,
      );
    const release = () => deadline.signal.removeEventListener("abort", abort);
    deadline.signal.addEventListener("abort", abort, { once: true });

    call.on("error", (error) => reject(new NoResponseError(messageOf(error), sent, error)));
    call.once("close", () => {
      clearTimeout(connecting);
      if (response !== undefined) return;
      release();
      reject(new NoResponseError("the connection was closed without a response", sent));
    });
    if (idleTimeoutMs !== undefined) {
      let idleMs = idleTimeoutMs;
      call.on("timeout", () =>
        fail(new NoResponseError(`nothing sent or received for ${idleMs / 1000} s`, sent)),
      );
      call.once("finish", () => call.setTimeout((idleMs = responseIdleTimeoutMs ?? idleTimeoutMs)));
    }
    call.setSocketKeepAlive(true, KEEP_ALIVE_MS);
    call.once("response", (received) => {
      response = received;
      // A server may respond before it has the whole request; the rest is not sent then.
      received.once("end", () => {
        if (!call.writableFinished) call.destroy();
      });
      received.once("close", release);
      resolve(received);
    });
    call.once("socket", (socket) =>
      // Node would send what is written earlier as soon as the connection is there, however late.
      onceConnected(socket, () => {
        clearTimeout(connecting);
        if (deadline.isOver) return abort();
        sent = true;
        if (body === undefined || typeof body === "string" || body instanceof Uint8Array)
          return call.end(body);
        const send = sendStream(call, body.content, () => deadline.isOver && abort());
        send.catch((error: unknown) => fail(new RequestBodyError(error)));
      }),
    );
  });
}

/** Reads a whole response. @throws NoResponseError if it is incomplete or larger than `maxBytes`; RequestBodyError */
export async function readBody(response: http.IncomingMessage, maxBytes = Infinity): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new NoResponseError(`the response is larger than ${maxBytes} bytes`, true);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof NoResponseError || error instanceof RequestBodyError) throw error;
    throw new NoResponseError(`the response is incomplete: ${messageOf(error)}`, true, error);
  }
  return Buffer.concat(chunks);
}

function lengthOf(body: NonNullable<HttpRequest["body"]>): number | undefined {
  return typeof body === "string" ? Buffer.byteLength(body) : body.length;
}

function onceConnected(socket: Socket, act: () => void): void {
  // True for a TLSSocket before its handshake.
  const { secureConnecting } = socket as { secureConnecting?: boolean };
  if (secureConnecting) socket.once("secureConnect", act);
  else if (socket.connecting) socket.once("connect", act);
  else act();
}

/** Sends a stream. Throws only errors of the content: the request reports errors of the connection. */
async function sendStream(call: http.ClientRequest, content: Content, checkDeadline: () => void) {
  for await (const chunk of content) {
    checkDeadline();
    if (call.destroyed) return;
    if (!call.write(chunk) && call.writableLength > MAX_BUFFERED_BYTES) await drained(call);
  }
  if (!call.destroyed) call.end();
}

function drained(call: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done).off("close", done);
      resolve();
    };
    call.on("drain", done).on("close", done);
  });
}
