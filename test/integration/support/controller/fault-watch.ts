import type { IncomingMessage, ServerResponse } from "node:http";
import { ERROR_STATUS, statusOf, type Fault } from "./faults";

interface WatchOptions {
  readonly fault: Fault | "partition" | undefined;
  /** Time of the fault after the start of the watch. */
  readonly seconds: number;
  /** During a partition, a promise of its end. */
  readonly healed: () => Promise<void> | undefined;
}

/** Forwards a watch line by line, until its fault is injected. */
export function passWatch(response: IncomingMessage, outgoing: ServerResponse, options: WatchOptions): void {
  const { fault, seconds, healed } = options;
  let pending = "";
  let silent = false;
  let truncate = false;
  outgoing.writeHead(response.statusCode ?? 200, { "content-type": "application/json" });
  outgoing.flushHeaders();
  response.setEncoding("utf8");
  const pass = (text: string) => {
    if (silent) return;
    const lines = (pending + text).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      if (truncate) {
        silent = true;
        outgoing.write(line.slice(0, Math.floor(line.length / 2)), () => outgoing.destroy());
        return;
      }
      outgoing.write(`${line}\n`);
    }
  };
  // In order, and not during a partition.
  let queue: Promise<void> = Promise.resolve();
  const later = (run: () => void) => {
    queue = queue.then(healed).then(run);
  };
  response.on("data", (text: string) => later(() => pass(text)));
  response.on("end", () => later(() => void (silent || outgoing.end())));
  response.on("error", () => outgoing.destroy());
  const inject = () => {
    if (fault === "watchSilent") silent = true;
    else if (fault === "watchTruncated") truncate = true;
    else if (fault === "watchCut") outgoing.end();
    else if (fault === "watchGone" && ERROR_STATUS.gone) {
      silent = true;
      outgoing.end(`${JSON.stringify({ type: "ERROR", object: statusOf(ERROR_STATUS.gone) })}\n`);
    }
  };
  const timer = setTimeout(inject, seconds * 1000);
  outgoing.on("close", () => clearTimeout(timer));
}
