import { fail } from "../../config/programs";

/** Exit codes of the agent. */
export const EXIT = { stopped: 0, failed: 1, badSettings: 2 } as const;

/** Directory with token and ca.crt of the pod's ServiceAccount. */
export const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Returns an environment variable. Exits if it is not set. */
export function requiredEnv(name: string): string {
  return (
    process.env[name] || fail(`agent: ${name} is not set; set it from the downward API`, EXIT.badSettings)
  );
}

/** Returns a signal that SIGTERM or SIGINT aborts. A second one of them exits immediately. */
export function stopSignal(onSignal: (signal: string) => void): AbortSignal {
  const stopping = new AbortController();
  for (const [signal, number] of [
    ["SIGTERM", 15],
    ["SIGINT", 2],
  ] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(128 + number);
      onSignal(signal);
      stopping.abort(new Error("the agent is stopping"));
    });
  }
  return stopping.signal;
}
