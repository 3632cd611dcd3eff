/** A limit that only a tool sets that wants the whole stack; errors are captured with 10 frames, debuggers' with 100. */
const WHOLE_STACK = 10_000;

/**
 * Runs the work, making and synthesizing stacks, without the stack traces that cdktf captures for each of its tokens, whole, and shows to nobody: half of
 * the time of a synth with many node groups (docs/performance.md). Traces of errors stay as they are.
 */
export function withoutCreationStacks<T>(work: () => T): T {
  // oxlint-disable-next-line typescript/unbound-method -- a static function of V8 that does not use `this`
  const capture = Error.captureStackTrace;
  Error.captureStackTrace = (target, below) => {
    if (Error.stackTraceLimit < WHOLE_STACK) capture(target, below);
  };
  try {
    return work();
  } finally {
    Error.captureStackTrace = capture;
  }
}
