import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ControllerSettings } from "../../../../config/programs/controller";

const ROOT = join(__dirname, "../../../..");
/** The program under test: the bundle of `npm run build`, or another one with the same flags. */
export const PROGRAM = process.env["CEDANA_INTEGRATION_CONTROLLER"] ?? join(ROOT, "dist/controller.js");

export interface ProcessOptions {
  readonly kubeconfig: string;
  readonly settings: ControllerSettings;
  /** Name of the pod, for the environment of the process. */
  readonly replica: string;
  /** Directory of settings and logs. */
  readonly folder: string;
  /** Ports of metrics and health. Default: any free ports. */
  readonly ports?: readonly [metrics: number, health: number];
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

/** One controller process, with the environment of a pod. */
export class ControllerProcess {
  readonly startedAt = Date.now();
  readonly log: string;
  readonly ended: Promise<Exit>;
  exit: Exit | undefined;
  readonly #child: ChildProcess;

  constructor(readonly options: ProcessOptions) {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run npm run build`);
    const { folder, replica, settings, kubeconfig, ports = [0, 0] } = options;
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${replica}.settings.json`);
    writeFileSync(file, JSON.stringify(settings, null, 2));
    this.log = join(folder, `${replica}.${this.startedAt}.log`);
    const flags = ["--settings", file, "--metrics-port", `${ports[0]}`, "--health-port", `${ports[1]}`];
    const output = createWriteStream(this.log);
    this.#child = spawn(process.execPath, [PROGRAM, ...flags], {
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

  /** Sends SIGTERM, and SIGKILL after 15 s. */
  async stop(): Promise<Exit> {
    this.kill("SIGCONT");
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), 15_000);
    const exit = await this.ended;
    clearTimeout(timer);
    return exit;
  }

  /** Returns the current and the peak resident memory, and the CPU time so far. */
  usage(): { readonly residentMiB: number; readonly peakMiB: number; readonly cpuSeconds: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    // After the name in parentheses comes field 3. Fields 14 and 15 are times in ticks of 10 ms.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
      peakMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    };
  }
}
