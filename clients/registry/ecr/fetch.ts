import { exchange } from "../exchange";
import type { Fetch } from "./pod-identity";

/** Asks AWS, or the agent on the node that stands for it: 10 s for all of it, as both answer at once or not at all. */
export const fetchText: Fetch = async ({ body, ...request }) => {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const sent = bytes && { content: [bytes], length: bytes.length };
  const answer = await exchange({ ...request, body: sent, timeoutMs: 10_000, idleTimeoutMs: 10_000 });
  return { status: answer.status, text: answer.body.toString("utf8") };
};
