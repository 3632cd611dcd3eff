import type { IncomingMessage, ServerResponse } from "node:http";
import { REFUSALS, statusOf, type Fault } from "./fault-proxy-faults";

interface WatchOptions {
  readonly fault: Fault | "partition" | undefined;
  /** When the fault strikes, after the watch began. */
  readonly seconds: number;
  /** During a partition: settles when it is over. */
  readonly caught: () => Promise<void> | undefined;
}

/** Passes a watch on line by line, until its fault strikes. */
export function passWatch(answer: IncomingMessage, outgoing: ServerResponse, options: WatchOptions): void {
  const { fault, seconds, caught } = options;
  let pending = "";
  let dead = false;
  let torn = false;
  outgoing.writeHead(answer.statusCode ?? 200, { "content-type": "application/json" });
  outgoing.flushHeaders();
  answer.setEncoding("utf8");
  const pass = (text: string) => {
    if (dead) return;
    const lines = (pending + text).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      if (torn) {
        dead = true;
        outgoing.write(line.slice(0, Math.floor(line.length / 2)), () => outgoing.destroy());
        return;
      }
      outgoing.write(`${line}\n`);
    }
  };
  // In order, and not during a partition.
  let queue: Promise<void> = Promise.resolve();
  const later = (run: () => void) => {
    queue = queue.then(caught).then(run);
  };
  answer.on("data", (text: string) => later(() => pass(text)));
  answer.on("end", () => later(() => void (dead || outgoing.end())));
  answer.on("error", () => outgoing.destroy());
  const strike = () => {
    if (fault === "watchSilent") dead = true;
    else if (fault === "watchTruncated") torn = true;
    else if (fault === "watchCut") outgoing.end();
    else if (fault === "watchGone" && REFUSALS.gone) {
      dead = true;
      outgoing.end(`${JSON.stringify({ type: "ERROR", object: statusOf(REFUSALS.gone) })}\n`);
    }
  };
  const timer = setTimeout(strike, seconds * 1000);
  outgoing.on("close", () => clearTimeout(timer));
}
