import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { parse } from "yaml";

/** Address of an API server, and an HTTPS agent with the client certificate of a kubeconfig. */
export interface Connection {
  /** https://host:port */
  readonly origin: string;
  readonly agent: Agent;
}

/** Returns the connection of a kubeconfig's first cluster and user, with the certificates of the file. */
export function connectionOf(kubeconfig: string): Connection {
  const { clusters, users } = parse(readFileSync(kubeconfig, "utf8")) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const { cluster = {} } = clusters[0] ?? {};
  const { user = {} } = users[0] ?? {};
  const decoded = (text: string | undefined) =>
    text === undefined ? undefined : Buffer.from(text, "base64");
  const agent = new Agent({
    keepAlive: true,
    ca: decoded(cluster["certificate-authority-data"]),
    cert: decoded(user["client-certificate-data"]),
    key: decoded(user["client-key-data"]),
  });
  return { origin: cluster["server"] ?? "", agent };
}
