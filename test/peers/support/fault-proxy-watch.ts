import type { IncomingMessage, ServerResponse } from "node:http";
import { REFUSALS, statusOf, type Fault } from "./fault-proxy-faults";

interface WatchOptions {
  readonly fault: Fault | "partition" | undefined;
  /** When the fault strikes, after the watch began. */
  readonly seconds: number;
  /** While true, what arrives is dropped and the watch is never to say anything again. */
  readonly silent: () => boolean;
}

/** Passes a watch on line by line, until its fault strikes. */
export function passWatch(answer: IncomingMessage, outgoing: ServerResponse, options: WatchOptions): void {
  const { fault, seconds, silent } = options;
  let pending = "";
  let dead = false;
  let torn = false;
  outgoing.writeHead(answer.statusCode ?? 200, { "content-type": "application/json" });
  outgoing.flushHeaders();
  answer.setEncoding("utf8");
  answer.on("data", (text: string) => {
    dead ||= silent();
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
  });
  answer.on("end", () => {
    if (!dead && !silent()) outgoing.end();
  });
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
