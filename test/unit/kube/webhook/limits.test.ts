import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Budget, ConnectionLimit, RateLimit, Slots } from "../../../../kube/webhook/limits";

class FakeSocket extends EventEmitter {
  destroyed = false;
  constructor(readonly remoteAddress: string) {
    super();
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

describe("connections", () => {
  let refused: number;
  let limit: ConnectionLimit;
  beforeEach(() => {
    refused = 0;
    limit = new ConnectionLimit({ total: 4, perSource: 3 }, () => refused++);
  });
  const open = (source: string) => {
    const socket = new FakeSocket(source);
    return { socket, accepted: limit.accept(socket as unknown as Socket) };
  };

  test("of one source are limited, until one closes", () => {
    const all = Array.from({ length: 4 }, () => open("a"));
    expect(all.map(({ accepted }) => accepted)).toEqual([true, true, true, false]);
    expect(all.map(({ socket }) => socket.destroyed)).toEqual([false, false, false, true]);
    all[0]?.socket.destroy();
    expect([open("a").accepted, refused]).toEqual([true, 1]);
  });

  test("of a source with few replace the oldest one of the source with the most", () => {
    const many = Array.from({ length: 3 }, () => open("a"));
    expect(open("b").accepted).toBe(true);
    expect(open("c").accepted).toBe(true);
    expect(many.map(({ socket }) => socket.destroyed)).toEqual([true, false, false]);
    expect(open("d").accepted).toBe(true);
    // All have one or none now: nothing is replaced.
    expect([open("e").accepted, open("a").accepted, refused]).toEqual([false, false, 4]);
  });
});

test("a budget is limited for one source and in total, and can be taken again once it is given back", () => {
  const budget = new Budget({ total: 10, perSource: 6 });
  expect([budget.take("a", 6), budget.take("a", 1), budget.take("b", 5), budget.take("b", 4)]).toEqual([
    true,
    false,
    false,
    true,
  ]);
  budget.give("a", 6);
  expect([budget.take("a", 6), budget.take("c", 1)]).toEqual([true, false]);
});

test("requests of a source wait for its slots, and those of another source do not", async () => {
  const slots = new Slots({ total: 3, perSource: 2 });
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const run = (source: string, name: string) =>
    slots.run(source, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const all = [
    run("a", "a1"),
    run("a", "a2"),
    run("a", "a3"),
    run("b", "b1"),
    run("b", "b2"),
    run("c", "c1"),
  ];
  await settle();
  expect(started).toEqual(["a1", "a2", "b1"]);
  ends[0]?.();
  await settle();
  expect(started).toEqual(["a1", "a2", "b1", "a3"]);
  ends[1]?.();
  await settle();
  expect(started.at(-1)).toBe("b2");
  for (let index = 2; index < all.length; index++) {
    await settle();
    ends[index]?.();
  }
  await Promise.all(all);
  expect(started.toSorted()).toEqual(["a1", "a2", "a3", "b1", "b2", "c1"]);
});

test("a source can open a burst of connections, and then some per second; others are not affected", () => {
  const rate = new RateLimit({ burst: 3, perSecond: 2 });
  const take = (source: string, ms: number, count: number) =>
    Array.from({ length: count }, () => rate.take(source, ms)).filter(Boolean).length;
  expect([take("a", 0, 5), take("b", 0, 1)]).toEqual([3, 1]);
  expect([take("a", 400, 1), take("a", 500, 2), take("a", 1000, 2)]).toEqual([0, 1, 1]);
  expect(take("a", 60_000, 5)).toBe(3);
});
