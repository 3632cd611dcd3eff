import { endedLate } from "../fuzz/golang";

const LATE =
  "fuzz: elapsed: 20s, execs: 13446 (531/sec)\n--- FAIL: FuzzState (20.27s)\n    context deadline exceeded\nFAIL\n";

test("a slice whose time is over is no failure, although Go reports it as one", () => {
  expect(endedLate(LATE)).toBe(true);
});

test.each([
  [
    "an error of the target",
    "--- FAIL: FuzzState (3.1s)\n    --- FAIL: FuzzState (0.00s)\n        state_test.go:9: lost\n",
  ],
  ["an input that is kept", `${LATE}    Failing input written to testdata/fuzz/FuzzState/771e938e4458e983\n`],
  [
    "a worker that hangs",
    "--- FAIL: FuzzState (20.2s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n",
  ],
])("%s is a failure", (_, output) => {
  expect(endedLate(output)).toBe(false);
});
