import { fork, type ChildProcess } from "node:child_process";
import { createSecureContext } from "node:tls";
import { Backoff, sleep } from "../backoff";
import type { Logger, LogLevel } from "../log";
import type { HealthCheck } from "../process/health";
import { WEBHOOK_ARGUMENT, type FromChild, type ToChild } from "./messages";
import { REFUSALS, type Refusal } from "./limits";
import type { PlainHandler, PlainRules } from "./plain";
import { InvalidReviewError, type AdmissionHandler } from "./review";
import { DRAIN_MS, FINISH_MS, type Webhook } from "./server";
import { ServedCertificate, type CertificatePair, type CertificateTimes } from "./served-certificate";

/** Heap of the process, MiB: beyond it the process ends, and is started again. */
const HEAP_MIB = 160;
/** Delay before the process is started again. */
const BACKOFF = { baseMs: 250, maxMs: 10_000, jitter: 0.2 } as const;
/** A process that ran for longer has not failed at its start. */
const STEADY_MS = 60_000;

export interface WebhookProcessOptions {
  /** The program that runs as the process if its first argument is WEBHOOK_ARGUMENT. */
  readonly program: string;
  readonly port: number;
  /** By path: `/restore`. They run in this process. */
  readonly handlers: Readonly<Record<string, AdmissionHandler>>;
  /** Requests of other paths. The handler runs in this process. Default: 404. */
  readonly plain?: PlainRules & { readonly handle: PlainHandler };
  /** Name in the log. Default: `webhook`. */
  readonly name?: string;
  readonly log: Logger;
  readonly level: LogLevel;
  /** Called for connections and requests that are refused by a limit. */
  readonly onRefused?: (refusal: Refusal, count: number) => void;
  /** Called when the process ended and is started again. */
  readonly onRestart?: () => void;
}

/**
 * The webhook's HTTPS server in a process of its own: what anonymous clients send is decrypted, limited and parsed there. Only
 * complete reviews reach this process, a limited number at a time. If the process ends, it is started again.
 */
export class WebhookProcess implements Webhook {
  private child?: ChildProcess;
  private readonly certificate: ServedCertificate;
  private listening = false;
  private stopping = false;
  private closed = false;
  private readonly backoff = new Backoff(BACKOFF);

  constructor(private readonly options: WebhookProcessOptions) {
    this.certificate = new ServedCertificate(options.log);
  }

  get check(): HealthCheck {
    return {
      name: `${this.options.name ?? "webhook"}-certificate`,
      failure: () => {
        if (this.stopping) return "the process is stopping";
        if (!this.listening) return "the webhook's process does not listen";
        return this.certificate.failure;
      },
    };
  }

  get validity(): CertificateTimes | undefined {
    return this.certificate.validity;
  }

  use(pair: CertificatePair): void {
    const load = ({ cert, key }: CertificatePair) => void createSecureContext({ cert, key });
    if (this.certificate.use(pair, load)) this.send({ do: "use", ...pair });
  }

  /** @throws Error if the process cannot bind the port or ends */
  async start(): Promise<number> {
    return this.run();
  }

  async drain(): Promise<void> {
    this.stopping = true;
    this.send({ do: "stop" });
    if (this.certificate.pair !== undefined) await sleep(DRAIN_MS);
  }

  async close(): Promise<void> {
    this.stopping = true;
    this.closed = true;
    const { child } = this;
    if (child === undefined || child.exitCode !== null) return;
    this.send({ do: "close" });
    await new Promise<void>((resolve) => {
      const kill = setTimeout(() => child.kill("SIGKILL"), FINISH_MS + 1_000);
      child.once("exit", () => {
        clearTimeout(kill);
        resolve();
      });
    });
  }

  private run(): Promise<number> {
    const { program, port, handlers, plain, level, log, name = "webhook" } = this.options;
    // Bodies of hostile clients are garbage that must be collected soon.
    const inherited = process.execArgv.filter((option) => !option.startsWith("--heap-growing-percent"));
    const child = fork(program, [WEBHOOK_ARGUMENT], {
      execArgv: [...inherited, `--max-old-space-size=${HEAP_MIB}`],
      env: { NODE_ENV: process.env["NODE_ENV"] },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.child = child;
    const startMs = performance.now();
    return new Promise((resolve, reject) => {
      child.on("error", (error) => log.error({ err: error }, "webhook process"));
      child.on("message", (message: FromChild) => {
        if (message.is === "review") return void this.decide(message);
        if (message.is === "request") return void this.handle(message);
        if (message.is === "refused") return this.count(message.refusals);
        if (message.is === "failed") return reject(new Error(message.message));
        this.listening = true;
        if (this.certificate.pair) this.send({ do: "use", ...this.certificate.pair });
        if (this.stopping) this.send({ do: "stop" });
        log.info({ server: name, port: message.port, pid: child.pid }, "listening");
        resolve(message.port);
        return undefined;
      });
      child.once("exit", (code, signal) => {
        const listened = this.listening;
        this.listening = false;
        reject(new Error(`the webhook's process ended: ${signal ?? code}`));
        if (listened && !this.closed) void this.restart(code, signal, performance.now() - startMs);
      });
      const { headers = [], maxBytes = 0, rates } = plain ?? {};
      const rules = rates && { plain: { headers, maxBytes, rates } };
      this.send({ do: "start", port, paths: Object.keys(handlers), ...rules, level });
    });
  }

  private async restart(code: number | null, signal: string | null, ranMs: number): Promise<void> {
    const { log } = this.options;
    if (ranMs > STEADY_MS) this.backoff.reset();
    this.options.onRestart?.();
    log.error({ code, signal }, "webhook process ended, starting it again");
    while (!this.closed) {
      await sleep(this.backoff.next());
      if (this.closed) return;
      try {
        await this.run();
        return;
      } catch (error) {
        log.error({ err: error }, "webhook process not started");
        this.child?.kill("SIGKILL");
      }
    }
  }

  private async decide({ id, path, request }: Extract<FromChild, { is: "review" }>): Promise<void> {
    try {
      const handler = this.options.handlers[path];
      if (handler === undefined) throw new Error(`no handler of ${path}`);
      this.send({ do: "respond", id, response: await handler(request) });
    } catch (error) {
      const invalid = error instanceof InvalidReviewError;
      if (!invalid) this.options.log.warn({ err: error, path }, "webhook: no decision");
      const message = error instanceof Error ? error.message : String(error);
      this.send({ do: "fail", id, message, invalid });
    }
  }

  private async handle({ id, request }: Extract<FromChild, { is: "request" }>): Promise<void> {
    try {
      const { plain } = this.options;
      if (plain === undefined) throw new Error(`no handler of ${request.path}`);
      this.send({ do: "respond", id, response: await plain.handle(request) });
    } catch (error) {
      this.options.log.warn({ err: error, path: request.path }, "webhook: no decision");
      const message = error instanceof Error ? error.message : String(error);
      this.send({ do: "fail", id, message, invalid: false });
    }
  }

  private count(refusals: Readonly<Partial<Record<Refusal, number>>>): void {
    for (const reason of REFUSALS) this.options.onRefused?.(reason, refusals[reason] ?? 0);
  }

  /** Sends a message, unless the process has ended. */
  private send(message: ToChild): void {
    if (this.child?.connected) this.child.send(message, () => undefined);
  }
}
