/** The address of Cedana's daemon on a node. */

interface Listener {
  readonly address?: string | undefined;
  readonly protocol: "unix" | "tcp" | "vsock";
}

/** Where the daemon listens, or undefined where it has to be said (vsock). */
export function listenAddress({ address, protocol }: Listener): string | undefined {
  if (address !== undefined) return address;
  if (protocol === "unix") return "/run/cedana/cedana.sock";
  return protocol === "tcp" ? "127.0.0.1:8080" : undefined;
}

/** Directory on the node that holds the daemon's socket; undefined if it does not listen on one. */
export function socketDirectory(engine: Listener): string | undefined {
  if (engine.protocol !== "unix") return undefined;
  const address = listenAddress(engine) ?? "";
  return address.slice(0, address.lastIndexOf("/"));
}

/** TCP port of the daemon; undefined if it listens on none. */
export function daemonPort(engine: Listener): number | undefined {
  if (engine.protocol !== "tcp") return undefined;
  return Number(listenAddress(engine)?.split(":").at(-1));
}

/** Whether the daemon listens where only its own node reaches it. */
export function isLoopback(engine: Listener): boolean {
  return /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost):\d+$/.test(listenAddress(engine) ?? "");
}

/** Directories that pods or the node's other programs have for themselves: no place to mount a socket from. */
const SHARED =
  /^\/[^/]*$|^\/var\/(run|lib|tmp|log)$|^\/(host|proc|sys|dev|etc|usr|bin|sbin|lib|lib64|boot|root)\//;

/** What is wrong with the path of a socket, if anything is. */
export function socketProblem(path: string): string | undefined {
  const parts = path.split("/").slice(1);
  if (parts.some((part) => ["", ".", ".."].includes(part))) return "has an empty part, . or .. in it";
  // sun_path of unix(7) has 108 bytes, the last of which is 0.
  if (Buffer.byteLength(path) > 107) return "is longer than the 107 bytes that a socket's path may have";
  const directory = path.slice(0, path.lastIndexOf("/")) || "/";
  return SHARED.test(directory)
    ? `lies in ${directory}, which would have to be mounted into the pods`
    : undefined;
}
