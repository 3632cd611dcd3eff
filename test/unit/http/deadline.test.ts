import { getEventListeners } from "node:events";
import { Deadline, NoResponseError } from "../../../http";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const reason = new Error("shutdown");
const deadlineOf = (signal?: AbortSignal) => new Deadline(1000, "no response within 1 s", signal);

test("aborts when its time is over", () => {
  const deadline = deadlineOf();
  jest.advanceTimersByTime(999);
  expect([deadline.isOver, deadline.signal.aborted]).toEqual([false, false]);
  jest.advanceTimersByTime(1);
  expect([deadline.isOver, deadline.signal.aborted]).toEqual([true, true]);
  expect(deadline.signal.reason).toMatchObject({
    name: "NoResponseError",
    message: "no response within 1 s: the request was not sent",
    sent: false,
  });
});

test("is over by the clock although its timer has not run", () => {
  const deadline = deadlineOf();
  const now = performance.now();
  jest.spyOn(performance, "now").mockReturnValue(now + 1000);
  expect([deadline.isOver, deadline.signal.aborted]).toEqual([true, false]);
  jest.restoreAllMocks();
  deadline.close();
});

test("counts from the last start, and not while it is stopped", () => {
  const deadline = deadlineOf();
  jest.advanceTimersByTime(900);
  deadline.start();
  jest.advanceTimersByTime(900);
  expect(deadline.isOver).toBe(false);
  deadline.stop();
  jest.advanceTimersByTime(100_000);
  expect(deadline.isOver).toBe(false);
  deadline.start();
  jest.advanceTimersByTime(1000);
  expect(deadline.isOver).toBe(true);
});

test("aborts with the other signal, before and after it was created", () => {
  const controller = new AbortController();
  const deadline = deadlineOf(controller.signal);
  controller.abort(reason);
  for (const each of [deadline, deadlineOf(AbortSignal.abort(reason))]) {
    expect(each.isOver).toBe(true);
    expect(each.signal.reason).toBe(reason);
    each.close();
  }
});

test("reports the other signal's reason for an unsent request, and cancellation for a sent one", () => {
  const deadline = deadlineOf(AbortSignal.abort(reason));
  expect(deadline.error(false)).toBe(reason);
  expect(deadline.error(true)).toMatchObject({
    message: "the request was canceled",
    sent: true,
    cause: reason,
  });
  deadline.close();
  const timed = deadlineOf();
  expect(timed.error(true)).toMatchObject({ message: "no response within 1 s", sent: true });
  timed.close();
});

test("a race ends with the work or with the deadline", async () => {
  const deadline = deadlineOf();
  await expect(deadline.race(Promise.resolve(1))).resolves.toBe(1);
  await expect(deadline.race(Promise.reject(reason))).rejects.toBe(reason);
  const stuck = deadline.race(new Promise(() => {}));
  jest.advanceTimersByTime(1000);
  await expect(stuck).rejects.toBeInstanceOf(NoResponseError);
  await expect(deadline.race(new Promise(() => {}))).rejects.toBe(deadline.signal.reason);
});

test("leaves no timer and no listener behind when it is closed", async () => {
  const { signal } = new AbortController();
  const deadline = deadlineOf(signal);
  await deadline.race(Promise.resolve());
  deadline.close();
  expect(jest.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(getEventListeners(deadline.signal, "abort")).toEqual([]);
});
