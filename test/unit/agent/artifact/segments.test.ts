import { joined, segmentBytes, segmentsOf } from "../../../../agent/artifact/segments";
import { digestOf } from "../../../../clients/registry";
import { seededBelow } from "../../../../testbed/random";

const bytes = Buffer.from(Array.from({ length: 200 }, (_, at) => at % 251));

async function* pieces(content: Buffer, sizes: () => number) {
  for (let at = 0; at < content.length;) yield content.subarray(at, (at += sizes()));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test.each([1, 2, 3])("divides content into segments that join to it, with seed %i", async (seed) => {
  const below = seededBelow(seed);
  const sizes = () => 1 + below(50);
  for (const most of [7, 100, 199, 200, 201]) {
    const segments = await all(segmentsOf(pieces(bytes, sizes), most));
    expect(
      segments
        .map(({ size }) => size)
        .slice(0, -1)
        .every((size) => size === most),
    ).toBe(true);
    for (const { chunks, size, sha256 } of segments) {
      const content = Buffer.concat(chunks);
      expect([content.length, digestOf(content)]).toEqual([size, `sha256:${sha256}`]);
    }
    const opened: number[] = [];
    const open = async function* ({ chunks, size }: (typeof segments)[number]) {
      opened.push(size);
      yield* chunks;
    };
    const read = await all(joined(segments, open, new AbortController().signal));
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    expect(opened).toEqual(segments.map(({ size }) => size));
  }
});

test("a part has at most 1024 segments of 16 MiB or more", () => {
  expect([0, 2 ** 34, 2 ** 40].map(segmentBytes)).toEqual([2 ** 24, 2 ** 24, 2 ** 30]);
});

test("ends with the failure of a segment, and aborts those that are read ahead", async () => {
  const segments = [1, 2, 3, 4].map((size) => ({ size, sha256: "" }));
  const signals: AbortSignal[] = [];
  const open = async function* ({ size }: { readonly size: number }, signal: AbortSignal) {
    signals.push(signal);
    if (size === 2) throw new Error("the second one failed");
    yield Buffer.alloc(size);
  };
  await expect(all(joined(segments, open, new AbortController().signal))).rejects.toThrow("the second one");
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
});
