import { Agent, type RequestOptions } from "node:https";
import { createSecureContext, type SecureContext as Context } from "node:tls";
import { issue } from "../../../../kube/webhook";
import { Agents } from "../../../../kube/client/api";
import { Lines } from "../../../../kube/client/lines";
import { retryAfterMs } from "../../../../http";

describe("lines", () => {
  test("accept an event of 10 MiB, and reject a longer line", () => {
    const lines = new Lines();
    const chunk = Buffer.alloc(1024 * 1024, "x");
    for (let i = 0; i < 10; i++) expect(lines.push(chunk)).toEqual([]);
    expect(lines.push(Buffer.from("\n"))[0]).toHaveLength(10 * 1024 * 1024);
    for (let i = 0; i < 16; i++) lines.push(chunk);
    expect(() => lines.push(chunk)).toThrow("an event of the watch is larger than 16 MiB");
  });
});

const SecureContext = createSecureContext().constructor as new () => Context;

describe("agents", () => {
  const assigned = (agents: Agents, options: RequestOptions) => {
    agents.assign(options, "https:");
    return options;
  };

  test("are shared by requests with the same certificates, whatever their headers", async () => {
    const agents = new Agents();
    const pairs = {
      one: await issue(["localhost"], Date.now(), "one"),
      two: await issue(["localhost"], Date.now(), "two"),
    };
    const request = (pair: keyof typeof pairs, token: string) =>
      assigned(agents, {
        ca: Buffer.from(pairs.one.ca),
        cert: pairs[pair].cert,
        key: pairs[pair].key,
        servername: "api",
        headers: { authorization: token },
        agent: new Agent(),
      });
    const first = request("one", "a");
    expect(first.agent).toBe(request("one", "b").agent);
    expect(first).toEqual({ agent: first.agent, headers: { authorization: "a" } });
    expect((first.agent as Agent).options).toMatchObject({
      secureContext: expect.any(SecureContext),
      servername: "api",
      keepAlive: true,
      timeout: 30_000,
    });
    const rotated = request("two", "b");
    expect(rotated.agent).not.toBe(first.agent);
    expect(request("two", "c").agent).toBe(rotated.agent);
  });

  test("keep the agent of a proxy", () => {
    class ProxyAgent extends Agent {}
    const agents = new Agents();
    const proxy = new ProxyAgent();
    expect(assigned(agents, { agent: proxy }).agent).toBe(proxy);
    expect(assigned(agents, { agent: new ProxyAgent() }).agent).toBe(proxy);
  });
});

test("reads Retry-After as seconds or a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const read = (header?: string) => retryAfterMs(header, now);
  expect(read("9".repeat(400))).toBeUndefined();
  expect([read("7"), read("Thu, 01 Jan 2026 00:00:05 GMT"), read("Wed, 31 Dec 2025 00:00:00 GMT")]).toEqual([
    7000, 5000, 0,
  ]);
  expect([read(), read("soon")]).toEqual([undefined, undefined]);
});
