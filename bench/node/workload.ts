import { homedir } from "node:os";
import { join } from "node:path";
import { pushProgram } from "../../testbed/node/program";
import { ran, run } from "../../testbed/node/run";

/** Path of the program `still` on the node. */
export const STILL = "/usr/local/bin/still";
/** Name of the container of the workload. */
export const CONTAINER = "still";

const CACHE = process.env["TESTBED_CACHE"] ?? join(homedir(), ".cache/cedana-testbed");

/** Access to the node of a running test bed. */
export class BenchNode {
  constructor(readonly folder: string) {}

  /** Runs a command on the node. @throws Error if it failed */
  run(...command: string[]): string {
    return run(join(process.env["CEDANA_TESTBED"]!, "on-node"), ["--dir", this.folder, ...command]);
  }

  /** Writes a program to the node. */
  install(program: Buffer, path: string): void {
    const text = `cat > ${path}.new && chmod 755 ${path}.new && mv ${path}.new ${path}`;
    const onNode = join(process.env["CEDANA_TESTBED"]!, "on-node");
    const args = ["--dir", this.folder, "sh", "-c", text];
    const { status, stderr } = ran(onNode, args, { input: program });
    if (status !== 0) throw new Error(stderr);
  }

  kubectl(list: readonly string[], input?: unknown): string {
    const program = join(CACHE, "bin", process.env["TESTBED_K8S"] ?? "1.34.4", "kubectl");
    const env = { ...process.env, KUBECONFIG: join(this.folder, "kubeconfig") };
    return run(program, list, { env, ...(input === undefined ? {} : { input: JSON.stringify(input) }) });
  }
}

/** Pushes the program `still` as the image `still:1`, and installs it on the node. */
export function installWorkload(node: BenchNode): void {
  node.install(pushProgram("still"), STILL);
}

/** Returns a pod whose process holds so many megabytes, and prints how long it stood still by its own clock. */
export function workload(
  name: string,
  megabytes: number,
  annotations: Readonly<Record<string, string>> = {},
) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, annotations },
    spec: {
      tolerations: [{ operator: "Exists" }],
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: CONTAINER,
          image: "localhost:5000/still:1",
          command: ["/bin/still"],
          env: [{ name: "MB", value: String(megabytes) }],
        },
      ],
    },
  };
}

/** What the workload printed. */
export interface Printed {
  /** Identifies the process; undefined until its memory is filled. */
  readonly token: string | undefined;
  /** Gaps between two ticks of 1 ms, of 5 ms and more, in milliseconds. */
  readonly gaps: readonly number[];
}

/** Reads the log of the workload. */
export function printed(node: BenchNode, pod: string): Printed {
  const log = node.kubectl(["logs", pod]);
  const gaps = [...log.matchAll(/^gap (\d+)$/gm)].map(([, microseconds]) => Number(microseconds) / 1000);
  return { token: /^token (\w+)$/m.exec(log)?.[1], gaps };
}
