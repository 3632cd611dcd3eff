import pino from "pino";

/** A pino logger: `log.info({ node: "n1" }, "taint removed")`. */
export type Logger = pino.Logger;
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Keys whose values are never written, at the top of a log line's object or one or two levels down. */
const SECRET_KEYS = ["authorization", "Authorization", "token", "password"];
const SECRETS = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * Creates a logger that writes one JSON object per line: `level` by name, `time` in ISO 8601, `msg`. Written synchronously, so that the line before an
 * exit is not lost.
 *
 * @param options.level lowest level that is written
 * @param options.destination where lines go; default: stdout
 */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly destination?: pino.DestinationStream;
}): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
      redact: { paths: SECRETS, censor: "[secret]" },
    },
    options.destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

/** Logs only message, status and stack of an error: other fields can hold a request with its headers. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  const { status, code } = error as { status?: unknown; code?: unknown };
  return { name, message, status, code, stack };
}
