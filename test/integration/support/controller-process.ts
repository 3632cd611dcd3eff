import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ControllerSettings } from "../../../config/programs/controller";

const ROOT = join(__dirname, "../../..");
/** The program under test: the bundle of `npm run build`, or another one that takes the same arguments. */
export const PROGRAM = process.env["CEDANA_INTEGRATION_CONTROLLER"] ?? join(ROOT, "dist/controller.js");

/** The command after `node`: the options of the image's entry point, and the program under test. */
export const COMMAND: readonly string[] = [...nodeOptions(), PROGRAM];

function nodeOptions(): readonly string[] {
  const text = readFileSync("image/controller/Containerfile", "utf8");
  const entryPoint = /^ENTRYPOINT (.+)$/m.exec(text)?.[1] ?? "[]";
  return (JSON.parse(entryPoint) as string[]).slice(1, -1);
}

export interface ProcessOptions {
  readonly kubeconfig: string;
  readonly settings: ControllerSettings;
  /** Name of the pod that it is to take itself for. */
  readonly replica: string;
  /** For settings and logs. */
  readonly folder: string;
  /** Of metrics and health. Default: any free ones. */
  readonly ports?: readonly [metrics: number, health: number];
  /** The command after `node`. Default: COMMAND. */
  readonly command?: readonly string[];
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly at: number;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** One controller as a process of its own, as it runs in a pod. */
export class ControllerProcess {
  readonly startedAt = Date.now();
  readonly log: string;
  readonly ended: Promise<Exit>;
  exit: Exit | undefined;
  readonly #child: ChildProcess;

  constructor(readonly options: ProcessOptions) {
    const { folder, replica, settings, kubeconfig, ports = [0, 0], command = COMMAND } = options;
    const program = command.at(-1) ?? "";
    if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build`);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${replica}.settings.json`);
    writeFileSync(file, JSON.stringify(settings, null, 2));
    this.log = join(folder, `${replica}.${this.startedAt}.log`);
    const flags = ["--settings", file, "--metrics-port", `${ports[0]}`, "--health-port", `${ports[1]}`];
    const output = createWriteStream(this.log);
    this.#child = spawn(process.execPath, [...command, ...flags], {
      env: { PATH: process.env["PATH"], KUBECONFIG: kubeconfig, POD_NAME: replica, NODE_ENV: "production" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this.#child);
    this.#child.stdout?.pipe(output);
    this.#child.stderr?.pipe(output);
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        running.delete(this.#child);
        this.exit = { code, signal, at: Date.now() };
        resolve(this.exit);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL if that is not enough within 15 s. */
  async stop(): Promise<Exit> {
    this.kill("SIGCONT");
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), 15_000);
    const exit = await this.ended;
    clearTimeout(timer);
    return exit;
  }

  /** Resident memory now and at most; CPU time so far. */
  usage(): { readonly residentMiB: number; readonly peakMiB: number; readonly cpuSeconds: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    // The fields after the name in parentheses begin with the third; 14 and 15 are times in ticks of 10 ms.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
      peakMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    };
  }
}
