import { joined } from "../../../../agent/artifact/segments";
import { seededBelow } from "../../../../testbed/random";
import { segmentOf } from "../../../support/node-service";

interface Opened {
  readonly signal: AbortSignal;
  readonly memory?: Buffer;
}

/** Returns copies of all pieces, as a piece is valid only until the next one is read. */
async function all(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const piece of pieces) found.push(Buffer.from(piece));
  return found;
}

const signal = new AbortController().signal;

test.each([1, 2, 3])("joins segments in their order, with seed %i", async (seed) => {
  const below = seededBelow(seed);
  const contents = Array.from({ length: 1 + below(9) }, (_, at) => Buffer.alloc(1 + below(50), `${at}`));
  const segments = contents.map((content) => ({ ...segmentOf(content), content }));
  const opened: number[] = [];
  const open = async function* ({ content, size }: (typeof segments)[number], { memory }: Opened) {
    opened.push(size);
    // The memory of another segment is free to be written.
    memory?.fill("x");
    const piece = Buffer.alloc(20);
    for (let at = 0; at < size; at += 20) yield piece.subarray(0, content.copy(piece, 0, at, at + 20));
  };
  expect(Buffer.concat(await all(joined(segments, open, signal))).equals(Buffer.concat(contents))).toBe(true);
  expect(opened).toEqual(segments.map(({ size }) => size));
});

test("reads three segments ahead, each later one in the memory of one that was passed on", async () => {
  const segments = Array.from({ length: 6 }, (_, at) => segmentOf(Buffer.alloc(10, `${at}`)));
  const memories: (Buffer | undefined)[] = [];
  const own: Buffer[] = [];
  const open = async function* (_: unknown, { memory }: Opened) {
    memories.push(memory);
    own.push(memory ?? Buffer.alloc(10));
    yield own.at(-1)!;
  };
  const pieces = joined(segments, open, signal);
  await pieces.next();
  expect(memories).toEqual([undefined, undefined, undefined]);
  await pieces.next();
  expect(memories).toHaveLength(4);
  expect(memories[3]).toBe(own[0]);
  expect(await all(pieces)).toHaveLength(4);
});

test("ends with the failure of a segment, and aborts those that are read ahead", async () => {
  const segments = [1, 2, 3, 4].map((size) => ({ size, sha256: "" }));
  const signals: AbortSignal[] = [];
  const open = async function* ({ size }: { readonly size: number }, opened: Opened) {
    signals.push(opened.signal);
    if (size === 2) throw new Error("the second one failed");
    yield Buffer.alloc(size);
  };
  await expect(all(joined(segments, open, signal))).rejects.toThrow("the second one");
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
});
