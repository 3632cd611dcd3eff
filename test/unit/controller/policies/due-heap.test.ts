import { array, constantFrom, option, nat, property, tuple } from "fast-check";
import { DueHeap } from "../../../../controller/policies/core/due-heap";
import { assertProperty } from "../../../support/property";

test("the first key of the heap is that of a sorted list, after any changes", () => {
  const change = tuple(
    constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
    option(nat(20), { nil: undefined }),
  );
  assertProperty(
    property(array(change, { maxLength: 60 }), (changes) => {
      const heap = new DueHeap();
      const times = new Map<string, number>();
      for (const [key, timeMs] of changes) {
        heap.set(key, timeMs);
        if (timeMs === undefined) times.delete(key);
        else times.set(key, timeMs);
        expect(heap.size).toBe(times.size);
        expect(heap.timeOf(key)).toBe(timeMs);
        expect(heap.firstMs).toBe(times.size === 0 ? undefined : Math.min(...times.values()));
        expect(times.get(heap.first ?? "none")).toBe(heap.firstMs);
      }
      const drained: number[] = [];
      for (let key = heap.first; key !== undefined; key = heap.first) {
        drained.push(heap.firstMs ?? Number.NaN);
        heap.delete(key);
      }
      expect(drained).toEqual([...times.values()].toSorted((a, b) => a - b));
    }),
    300,
  );
});
