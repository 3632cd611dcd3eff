import * as http from "node:http";
import * as https from "node:https";
import { isDeepStrictEqual } from "node:util";

/** What of a request belongs to its connection. A connection is shared by all requests that have the same. */
const OF_CONNECTION = [
  "ca",
  "cert",
  "key",
  "pfx",
  "passphrase",
  "rejectUnauthorized",
  "servername",
] as const satisfies readonly (keyof https.RequestOptions)[];

/** Before the API server ends an idle connection (90 s in kube-apiserver), and before most load balancers do. */
const IDLE_MS = 30_000;

/** One agent for all requests with the same certificates; client-node makes one a request, and so one connection. */
export class Agents {
  private current?: { readonly credentials: object; readonly agent: http.Agent };

  /** Gives the request the shared agent in place of its own certificates. */
  assign(options: https.RequestOptions, protocol: string): void {
    const credentials = Object.fromEntries(OF_CONNECTION.map((name) => [name, options[name]]));
    for (const name of OF_CONNECTION) delete options[name];
    if (!isDeepStrictEqual(this.current?.credentials, credentials)) {
      // Requests under way keep the agent they began with; its connections end by being idle.
      this.current = { credentials, agent: proxyOf(options) ?? newAgent(protocol, credentials) };
    }
    options.agent = this.current?.agent;
  }
}

function newAgent(protocol: string, credentials: object): http.Agent {
  const kept = { keepAlive: true, timeout: IDLE_MS };
  if (protocol === "http:") return new http.Agent(kept);
  return new https.Agent({ ...credentials, ...kept });
}

/** The kubeconfig's proxy is an agent of its own kind, which has the certificates already. */
function proxyOf({ agent }: https.RequestOptions): http.Agent | undefined {
  if (typeof agent !== "object") return undefined;
  return agent.constructor === https.Agent || agent.constructor === http.Agent ? undefined : agent;
}
