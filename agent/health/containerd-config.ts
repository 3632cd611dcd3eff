import { posix } from "node:path";
import { parse, type TomlTable } from "smol-toml";
import { printable } from "../../config/schema";
import { glob } from "./glob";

/** A runtime handler in containerd's configuration. */
export interface HandlerConfig {
  /** OCI runtime of the handler. */
  readonly binary?: string;
  /** Annotations of pods that containerd passes to it. */
  readonly podAnnotations: readonly string[];
  /** `SystemdCgroup` of this handler and of the default one, whose cgroup driver is the kubelet's. */
  readonly systemdCgroup?: { readonly own?: boolean; readonly default?: boolean };
}

/** Reads the files of a node. */
export interface ConfigFiles {
  /** @throws the error of the file system; ENOENT if the file is missing */
  read(path: string): Promise<string>;
  /** Returns the names in a directory; none if it is missing. */
  list(directory: string): Promise<readonly string[]>;
}

/** Plugins with the settings of the CRI, in configurations of version 3 and 2. */
const PLUGINS = ["io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"];
const MAX_FILES = 50;

/**
 * Reads a runtime handler as containerd does: from the file, then from its imports in their order; the last value wins. Returns
 * undefined if it is not configured. A missing file means defaults.
 * @throws Error if a file cannot be read or is not TOML
 */
export async function readRuntimeHandler(
  file: string,
  name: string,
  files: ConfigFiles,
): Promise<HandlerConfig | undefined> {
  const tables = await tablesOf(file, files);
  const last = (...keys: readonly string[]) => lastIn(tables, "containerd", "runtimes", name, ...keys);
  if (last() === undefined) return undefined;
  const binary = last("options", "BinaryName");
  const annotations = last("pod_annotations");
  const named = lastIn(tables, "containerd", "default_runtime_name");
  const defaultName = typeof named === "string" ? named : "runc";
  const own = last("options", "SystemdCgroup");
  const other = lastIn(tables, "containerd", "runtimes", defaultName, "options", "SystemdCgroup");
  return {
    ...(typeof binary === "string" && { binary }),
    systemdCgroup: {
      ...(typeof own === "boolean" && { own }),
      ...(typeof other === "boolean" && { default: other }),
    },
    podAnnotations: Array.isArray(annotations)
      ? annotations.filter((each): each is string => typeof each === "string")
      : [],
  };
}

/** Reads the file, then what it imports, then what those import, each file once. The last value of a key wins. */
async function tablesOf(file: string, files: ConfigFiles): Promise<readonly TomlTable[]> {
  const tables: TomlTable[] = [];
  const seen = new Set<string>();
  for (let ring: readonly string[] = [file]; ring.length > 0;) {
    const next: string[] = [];
    for (const path of ring) {
      if (seen.has(path) || seen.size >= MAX_FILES) continue;
      seen.add(path);
      const text = await textOf(path, file, files);
      if (text === undefined) return tables;
      const table = tableIn(path, text);
      tables.push(table);
      next.push(...(await importsOf(table, path, files)));
    }
    ring = next;
  }
  return tables;
}

/** Returns the text of a file; undefined if it is the first one and missing. */
async function textOf(path: string, first: string, files: ConfigFiles): Promise<string | undefined> {
  try {
    return await files.read(path);
  } catch (error) {
    if (path === first && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function tableIn(path: string, text: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    // A path of an import can have any character.
    const shown = /^[\x21-\x7e]{1,255}$/.test(path) ? path : printable(path);
    // The parser's message continues with lines of the file.
    throw new Error(`${shown} is not TOML: ${(error as Error).message.split("\n", 1)[0]}`, {
      cause: error,
    });
  }
}

/** Returns the imported paths. Only one with a `*` is a pattern, in any of its directories. */
async function importsOf(table: TomlTable, path: string, files: ConfigFiles): Promise<readonly string[]> {
  const given = table["imports"];
  const found: string[] = [];
  for (const each of Array.isArray(given) ? given : []) {
    if (typeof each !== "string") continue;
    const full = posix.resolve(posix.dirname(path), each);
    if (full.includes("*")) found.push(...(await glob(full, (directory) => files.list(directory))));
    else found.push(full);
  }
  return found;
}

/** Returns the last value of a key in the settings of the CRI. */
function lastIn(tables: readonly TomlTable[], ...keys: readonly string[]): unknown {
  return tables
    .flatMap((table) => PLUGINS.map((plugin) => at(table, "plugins", plugin, ...keys)))
    .findLast((value) => value !== undefined);
}

function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (table, key) =>
      typeof table === "object" && table !== null && Object.hasOwn(table, key)
        ? (table as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}
