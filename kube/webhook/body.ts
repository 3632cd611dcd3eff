import type { IncomingMessage } from "node:http";
import { Budget, type Limit, type Refusal } from "./limits";

/** The API server's limit of a request is 3 MiB; the review is a bit larger than the object. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Bodies up to this size need no budget: connections limit them. Reviews of pods have some KiB. */
const SMALL_BYTES = 64 * 1024;
/** Values of a body, by the characters that begin or separate them. The largest pod has some 10,000; a parsed value needs 50 bytes. */
const MAX_VALUES = 200_000;
/** Bytes of larger bodies at the same time. */
const LARGE: Limit = { total: 16 * 1024 * 1024, perSource: 8 * 1024 * 1024 };
/** From the headers to the last byte of the body. The API server waits for 5 s for the response. */
const BODY_MS = 3_000;

/** The server does not read a body. */
export class RefusedBodyError extends Error {
  override readonly name = "RefusedBodyError";

  constructor(
    readonly status: number,
    readonly refusal: Refusal,
    message: string,
  ) {
    super(message);
  }
}

/** Reads bodies of requests within a budget of bytes, and within a time. */
export class Bodies {
  private readonly budget = new Budget(LARGE);

  /** @param maxBytes largest body. Default: 4 MiB */
  constructor(private readonly maxBytes = MAX_BYTES) {}

  /**
   * Reads a body and uses its text. Its bytes count until the work is done.
   * @throws RefusedBodyError if it is too large, too slow, or beyond the budget; what the work throws
   */
  async use<T>(request: IncomingMessage, source: string, work: (text: string) => Promise<T>): Promise<T> {
    const header = request.headers["content-length"];
    const declared = header === undefined ? this.maxBytes : Number(header);
    if (declared > this.maxBytes) throw tooLarge(this.maxBytes);
    const held = declared > SMALL_BYTES ? declared : 0;
    if (held > 0 && !this.budget.take(source, held))
      throw new RefusedBodyError(503, "bytes", "too many bytes of requests are in flight; try again");
    try {
      return await work(await read(request, this.maxBytes));
    } finally {
      if (held > 0) this.budget.give(source, held);
    }
  }
}

async function read(request: IncomingMessage, maxBytes: number): Promise<string> {
  const late = new RefusedBodyError(408, "time", `the body was not received within ${BODY_MS} ms`);
  const timer = setTimeout(() => request.destroy(late), BODY_MS);
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    // If it throws, the request stays open for the response.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
    const all = Buffer.concat(chunks);
    if (valuesIn(all) > MAX_VALUES)
      throw new RefusedBodyError(413, "size", `the request has more than ${MAX_VALUES} values`);
    return all.toString("utf8");
  } finally {
    clearTimeout(timer);
  }
}

/** Returns about how many values the JSON has, at least as many as it really has. */
function valuesIn(json: Buffer): number {
  let count = 0;
  for (const byte of json) if (byte === 0x5b || byte === 0x7b || byte === 0x2c) count++;
  return count;
}

function tooLarge(maxBytes: number): RefusedBodyError {
  return new RefusedBodyError(413, "size", `the request is larger than ${maxBytes} bytes`);
}
