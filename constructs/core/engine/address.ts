import type { ResolvedEngine } from "./schema";

/** Where the daemon listens, or undefined where it has to be said (vsock). */
export function listenAddress({
  address,
  protocol,
}: Pick<ResolvedEngine, "address" | "protocol">): string | undefined {
  if (address !== undefined) return address;
  if (protocol === "unix") return "/run/cedana/cedana.sock";
  return protocol === "tcp" ? "127.0.0.1:8080" : undefined;
}

/** Directory on the node that holds the daemon's socket; undefined if it does not listen on one. */
export function socketDirectory(engine: Pick<ResolvedEngine, "address" | "protocol">): string | undefined {
  if (engine.protocol !== "unix") return undefined;
  const address = listenAddress(engine) ?? "";
  return address.slice(0, address.lastIndexOf("/"));
}

/** TCP port of the daemon; undefined if it listens on none. */
export function daemonPort(engine: Pick<ResolvedEngine, "address" | "protocol">): number | undefined {
  if (engine.protocol !== "tcp") return undefined;
  return Number(listenAddress(engine)?.split(":").at(-1));
}
