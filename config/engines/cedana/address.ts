/** The address of Cedana's daemon on a node. */

interface Listener {
  readonly address?: string | undefined;
  readonly protocol: "unix" | "tcp" | "vsock";
}

/** Returns the address on which the daemon listens. Undefined if it is missing and has no default (vsock). */
export function listenAddress({ address, protocol }: Listener): string | undefined {
  if (address !== undefined) return address;
  if (protocol === "unix") return "/run/cedana/cedana.sock";
  return protocol === "tcp" ? "127.0.0.1:8080" : undefined;
}

/** Returns the directory of the daemon's socket on the node. Undefined if the daemon does not listen on a socket. */
export function socketDirectory(engine: Listener): string | undefined {
  if (engine.protocol !== "unix") return undefined;
  const address = listenAddress(engine) ?? "";
  return address.slice(0, address.lastIndexOf("/"));
}

/** Returns the TCP port of the daemon. Undefined if it does not listen on one. */
export function daemonPort(engine: Listener): number | undefined {
  if (engine.protocol !== "tcp") return undefined;
  return Number(listenAddress(engine)?.split(":").at(-1));
}

/** Returns whether the daemon listens on a loopback address. */
export function isLoopback(engine: Listener): boolean {
  return /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost):\d+$/.test(listenAddress(engine) ?? "");
}

/** Matches directories that other programs of the node use. They must not be mounted into the pods. */
const SHARED =
  /^\/[^/]*$|^\/var\/(run|lib|tmp|log)$|^\/(host|proc|sys|dev|etc|usr|bin|sbin|lib|lib64|boot|root)\//;

/** Returns the error message for an invalid path of a socket, undefined for a valid one. */
export function socketProblem(path: string): string | undefined {
  const parts = path.split("/").slice(1);
  if (parts.some((part) => ["", ".", ".."].includes(part))) return "contains an empty component, . or ..";
  // sun_path of unix(7) has 108 bytes, the last of which is 0.
  if (Buffer.byteLength(path) > 107) return "is longer than 107 bytes, the limit of socket paths";
  const directory = path.slice(0, path.lastIndexOf("/")) || "/";
  return SHARED.test(directory) ? `is in ${directory}, which must not be mounted into pods` : undefined;
}
