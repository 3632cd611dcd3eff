import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { formatProblem } from "../../constructs/core";
import { readAgentSettings, type AgentSettings } from "../../constructs/core/agent";

/** How a process of the agent ended. */
export const EXIT = { stopped: 0, failed: 1, badSettings: 2 } as const;

/** Where token and ca.crt of a pod's ServiceAccount are. */
export const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The settings in a file. Ends the process if there are none, with all their problems. */
export function settingsIn(file: string): AgentSettings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return fail(`${file}: cannot be read: ${(error as Error).message}`, EXIT.badSettings);
  }
  const read = readAgentSettings(text);
  if (!read.problems) return read.value;
  return fail(
    read.problems.map((problem) => `${file}: ${formatProblem(problem)}`).join("\n"),
    EXIT.badSettings,
  );
}

/** A variable of the environment. Ends the process if it is not set. */
export function needed(name: string): string {
  return (
    process.env[name] ||
    fail(`agent: ${name} is not set; in a pod it comes from the downward API`, EXIT.badSettings)
  );
}

/** Who the pod is to AWS by EKS Pod Identity, as that puts it into the pod; undefined if it is nobody. */
export async function identity() {
  const uri = process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const file = process.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  if (uri === undefined || file === undefined) return undefined;
  return { uri, token: await readFile(file, "utf8") };
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

export function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
