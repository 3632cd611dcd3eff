import * as http from "node:http";
import * as https from "node:https";
import { isDeepStrictEqual } from "node:util";

/** Fields of a request that belong to its connection. Requests with the same fields share connections. */
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

/** One agent for all requests with the same certificates; client-node creates one per request, and so one connection. */
export class Agents {
  private current?: { readonly credentials: object; readonly agent: http.Agent };

  /** Replaces the certificates of the request by the shared agent. */
  assign(options: https.RequestOptions, protocol: string): void {
    const credentials = Object.fromEntries(OF_CONNECTION.map((name) => [name, options[name]]));
    for (const name of OF_CONNECTION) delete options[name];
    if (!isDeepStrictEqual(this.current?.credentials, credentials)) {
      // Requests in progress keep their agent; its connections end when they are idle.
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

/** Returns the proxy of the kubeconfig: an agent of another class, which already has the certificates. */
function proxyOf({ agent }: https.RequestOptions): http.Agent | undefined {
  if (typeof agent !== "object") return undefined;
  return agent.constructor === https.Agent || agent.constructor === http.Agent ? undefined : agent;
}
