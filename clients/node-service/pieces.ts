import type { Connection } from "./connection";
import type { LoadRequest, OpenPiece } from "./types";

/** A segment that is being read. */
interface Reading {
  readonly size: number;
  readonly pieces: AsyncGenerator<Buffer>;
  readonly first: Promise<IteratorResult<Buffer>>;
}

/**
 * Sends the segments that the service asks for, in the order of its requests, and waits for its verdict. Begins to read a segment
 * when the service asks for it: the service bounds how many it asks for at a time.
 *
 * @throws NodeServiceError; what a segment throws; Error if a segment has another size
 */
export async function sendPieces(
  connection: Connection,
  { segments, part }: LoadRequest,
  open: OpenPiece,
): Promise<void> {
  const stop = new AbortController();
  const asked: Reading[] = [];
  let free: Buffer | undefined;
  let wake: () => void = () => undefined;
  const begin = (piece: number): Reading | undefined => {
    const segment = segments[piece];
    if (segment === undefined) return undefined;
    const memory = free === undefined ? {} : { memory: free };
    free = undefined;
    const pieces = open(segment, { signal: stop.signal, ...memory });
    const first = pieces.next();
    // It is awaited in its order, or not at all after the failure of an earlier one.
    first.catch(() => undefined);
    return { size: segment.size, pieces, first };
  };
  const requests = async (): Promise<void> => {
    for (;;) {
      const { piece } = await connection.result();
      if (piece === undefined) return;
      const reading = typeof piece === "number" ? begin(piece) : undefined;
      if (reading === undefined) throw connection.malformed("piece");
      asked.push(reading);
      wake();
    }
  };
  let decided = false;
  const verdict = requests();
  const decide = () => {
    decided = true;
    // Wakes a read that the service no longer waits for.
    stop.abort(new Error("the segments are not read any more"));
  };
  const decision = verdict.then(decide, decide);
  const send = async (bytes: Buffer) => {
    await Promise.race([connection.write(bytes), decision]);
    return bytes.length;
  };
  try {
    for (;;) {
      if (decided) break;
      const next = asked.shift();
      if (next === undefined) {
        await Promise.race([new Promise<void>((resolve) => (wake = resolve)), decision]);
        continue;
      }
      const { value, done } = await next.first;
      let sent = done ? 0 : await send(value);
      if (!done) for await (const bytes of next.pieces) sent += await send(bytes);
      if (sent !== next.size && !decided)
        throw new Error(`a layer of part ${part} has ${sent} bytes instead of ${next.size}`);
      if (!done) free = value;
    }
  } catch (error) {
    if (!decided) throw error;
  } finally {
    stop.abort(new Error("the segments are not read any more"));
  }
  await verdict;
}
