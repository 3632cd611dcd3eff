import { Slots } from "../../../../../agent/engines/criu/slots";

const { signal } = new AbortController();

/** Takes slots in this order, by name, and returns the names in the order in which they got them. */
async function order(slots: Slots, waits: readonly { readonly name: string; readonly first?: boolean }[]) {
  const got: string[] = [];
  await slots.take(signal);
  const all = waits.map(({ name, first }) => slots.take(signal, first).then(() => got.push(name)));
  for (const _ of waits) slots.release();
  await Promise.all(all);
  return got.join(" ");
}

test("gives slots in the order of the calls, to those that come first in theirs", async () => {
  const waits = [
    { name: "a" },
    { name: "urgent-1", first: true },
    { name: "b" },
    { name: "urgent-2", first: true },
  ];
  expect(await order(new Slots(1), waits)).toBe("urgent-1 urgent-2 a b");
});

test("gives no slot to a call that was aborted", async () => {
  const slots = new Slots(1);
  await slots.take(signal);
  const controller = new AbortController();
  const aborted = slots.take(controller.signal, true);
  const next = slots.take(signal);
  controller.abort(new Error("stop"));
  await expect(aborted).rejects.toThrow("stop");
  slots.release();
  await next;
  expect(slots.isFull).toBe(true);
});
