import { parallel } from "../../../kube";

test("reads an item only when a call for it can begin, and keeps the order of the results", async () => {
  let [read, ended, most] = [0, 0, 0];
  async function* items() {
    for (; read < 7; read++) {
      most = Math.max(most, read + 1 - ended);
      yield read;
    }
  }
  const results = await parallel(items(), 3, async (item) => {
    for (let turn = 0; turn < 5 * (7 - item); turn++) await new Promise((resolve) => setImmediate(resolve));
    ended++;
    return item * 10;
  });
  expect(results).toEqual([0, 10, 20, 30, 40, 50, 60]);
  expect(most).toBe(3);
});

test("a failure aborts what is in flight, and closes the items", async () => {
  const failed = new Error("failed");
  let closed = false;
  const seen: number[] = [];
  async function* items() {
    try {
      for (let item = 0; ; item++) yield item;
    } finally {
      closed = true;
    }
  }
  const call = async (item: number, signal: AbortSignal) => {
    seen.push(item);
    if (item === 1) throw failed;
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  };
  await expect(parallel(items(), 2, call)).rejects.toBe(failed);
  expect([seen, closed]).toEqual([[0, 1], true]);
});

test("throws the failure of the items", async () => {
  const failed = new Error("failed");
  async function* items() {
    yield 1;
    throw failed;
  }
  await expect(parallel(items(), 2, async (item) => item)).rejects.toBe(failed);
});
