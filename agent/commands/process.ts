import { fail } from "../../config/programs";

/** How a process of the agent ended. */
export const EXIT = { stopped: 0, failed: 1, badSettings: 2 } as const;

/** Where token and ca.crt of a pod's ServiceAccount are. */
export const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A variable of the environment. Ends the process if it is not set. */
export function needed(name: string): string {
  return (
    process.env[name] ||
    fail(`agent: ${name} is not set; in a pod it comes from the downward API`, EXIT.badSettings)
  );
}

/** A signal that SIGTERM and SIGINT end. A second one of them ends the process at once. */
export function stopSignal(told: (signal: string) => void): AbortSignal {
  const stopping = new AbortController();
  for (const [signal, number] of [
    ["SIGTERM", 15],
    ["SIGINT", 2],
  ] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(128 + number);
      told(signal);
      stopping.abort(new Error("the agent stops"));
    });
  }
  return stopping.signal;
}
