import { failed, type CheckName, type Finding } from "./finding";

export interface ProbeOptions {
  readonly check: CheckName;
  /** Looks once. The signal ends when nobody waits for it any more. */
  readonly look: (signal: AbortSignal) => Promise<Finding>;
  /** How long a finding that is ok is good. Default: 0, it is looked each time. */
  readonly goodForMs?: number;
}

/**
 * One check, looked in rounds. It cannot hold up a round, and one that is stuck is not started a second time: that would
 * use up threads, connections or processes, one a round.
 */
export class Probe {
  private underWay?: { readonly sinceMs: number; readonly finding: Promise<Finding> };
  private last?: { readonly atMs: number; readonly finding: Finding };

  constructor(private readonly options: ProbeOptions) {}

  /** What the check finds, within the time. Never fails: what is thrown is a finding too. */
  async look(timeoutMs: number): Promise<Finding> {
    const { check, goodForMs = 0 } = this.options;
    const { last } = this;
    if (last?.finding.status === "ok" && Date.now() - last.atMs < goodForMs) return last.finding;
    this.underWay ??= { sinceMs: Date.now(), finding: this.start(timeoutMs) };
    const { sinceMs, finding } = this.underWay;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Finding>((resolve) => {
      timer = setTimeout(() => {
        const seconds = Math.max(1, Math.round((Date.now() - sinceMs) / 1000));
        resolve(failed(check, `this check has not come to an end for ${seconds} s`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([finding, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async start(timeoutMs: number): Promise<Finding> {
    const { check, look } = this.options;
    let finding: Finding;
    try {
      finding = await look(AbortSignal.timeout(timeoutMs));
    } catch (error) {
      finding = failed(check, `this check cannot be made: ${wordsOf(error)}`);
    }
    this.underWay = undefined;
    this.last = { atMs: Date.now(), finding };
    return finding;
  }
}

/** An error as a part of a line. */
export function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return wordsOf(error.errors[0]);
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}
