import { ApiError, createLogger, NotLeaderError, PerKeyBackoff, retryUntilWritten } from "../../../kube";

const log = createLogger({ level: "error", destination: { write: () => {} } });

describe("PerKeyBackoff", () => {
  test("doubles delays per key, up to the maximum", () => {
    const backoff = new PerKeyBackoff(1000, 3000);
    const delays = [0, 1000, 3000].map((now) => backoff.block("a", now));
    expect([delays, backoff.block("b", 0)]).toEqual([[1000, 2000, 3000], 1000]);
    backoff.reset("a");
    expect([backoff.isWaiting("a", 0), backoff.block("a", 0)]).toEqual([false, 1000]);
  });

  test("a blocking delay must pass, a polling one only postpones the next poll", () => {
    const backoff = new PerKeyBackoff(1000, 60_000);
    backoff.block("a", 0);
    expect([backoff.isWaiting("a", 999), backoff.remainingMs("a", 400)]).toEqual([true, 600]);
    expect([backoff.isWaiting("a", 1000), backoff.remainingMs("a", 1000)]).toEqual([false, 0]);
    expect([backoff.poll("b", 0), backoff.poll("b", 400), backoff.poll("b", 1000)]).toEqual([
      1000, 600, 2000,
    ]);
    expect([backoff.isWaiting("b", 10_000), backoff.remainingMs("b", 1000)]).toEqual([true, 0]);
    backoff.endPolling("a");
    backoff.endPolling("b");
    expect([backoff.isWaiting("a", 0), backoff.isWaiting("b", 0)]).toEqual([true, false]);
  });
});

describe("retryUntilWritten", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());
  const never = new AbortController().signal;

  test("retries while the API server is unavailable", async () => {
    const times: number[] = [];
    const start = Date.now();
    const written = retryUntilWritten(log, never, async () => {
      times.push(Date.now() - start);
      if (times.length < 4)
        throw times.length === 1 ? new ApiError(503, "no leader") : new Error("ECONNRESET");
      return "done";
    });
    await jest.advanceTimersByTimeAsync(10_000);
    expect([await written, times]).toEqual(["done", [0, 250, 750, 1750]]);
  });

  test.each([
    ["the API server rejects the write", new ApiError(422, "invalid")],
    ["the lease is lost", new NotLeaderError("not leader")],
  ])("throws at once when %s", async (_, error) => {
    const write = jest.fn().mockRejectedValue(error);
    await expect(retryUntilWritten(log, never, write)).rejects.toBe(error);
    expect(write).toHaveBeenCalledTimes(1);
  });

  test("throws the last error after the signal", async () => {
    const stop = new AbortController();
    const write = jest.fn().mockRejectedValue(new Error("down"));
    const written = retryUntilWritten(log, stop.signal, write).catch((error: unknown) => String(error));
    await jest.advanceTimersByTimeAsync(100);
    stop.abort();
    expect([await written, write.mock.calls.length]).toEqual(["Error: down", 2]);
  });
});
