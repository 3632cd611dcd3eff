import { posix } from "node:path";
import { parse, type TomlTable } from "smol-toml";

/** Settings of containerd that concern checkpoints. A missing one is not configured and has its default. */
export interface ContainerdConfig {
  /** `enable_criu`, since 2.2.7 and 2.3.4; default true. */
  readonly enableCriu?: boolean;
  /** `enable_experimental_restore_via_create`, since the same versions; default false. */
  readonly restoreViaCreate?: boolean;
  /** Name of the handler of pods without a RuntimeClass. Default: runc. */
  readonly defaultHandler?: string;
  /** `runtime_type` of that handler. Default: io.containerd.runc.v2. */
  readonly defaultType?: string;
}

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
 * Reads the configuration as containerd does: the file, then its imports in their order; the last value wins. A missing file
 * means defaults.
 * @throws Error if a file cannot be read or is not TOML
 */
export async function readContainerdConfig(file: string, files: ConfigFiles): Promise<ContainerdConfig> {
  return merged(await tablesOf(file, files));
}

/**
 * Reads a runtime handler of the configuration. Returns undefined if it is not configured.
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

async function tablesOf(file: string, files: ConfigFiles): Promise<readonly TomlTable[]> {
  const tables: TomlTable[] = [];
  const seen = new Set<string>();
  const add = async (path: string): Promise<void> => {
    if (seen.has(path) || seen.size >= MAX_FILES) return;
    seen.add(path);
    const table = tableIn(path, await files.read(path));
    tables.push(table);
    for (const each of await importsOf(table, path, files)) await add(each);
  };
  try {
    await add(file);
  } catch (error) {
    if (!(seen.size === 1 && (error as NodeJS.ErrnoException).code === "ENOENT")) throw error;
  }
  return tables;
}

function tableIn(path: string, text: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    // The parser's message continues with lines of the file.
    throw new Error(`${path} is not TOML: ${(error as Error).message.split("\n", 1)[0]}`, {
      cause: error,
    });
  }
}

async function importsOf(table: TomlTable, path: string, files: ConfigFiles): Promise<readonly string[]> {
  const given = table["imports"];
  const found: string[] = [];
  for (const each of Array.isArray(given) ? given : []) {
    if (typeof each !== "string") continue;
    const full = posix.resolve(posix.dirname(path), each);
    if (!/[*?[]/.test(posix.basename(full))) {
      found.push(full);
      continue;
    }
    const matches = matcher(posix.basename(full));
    const names = await files.list(posix.dirname(full));
    found.push(
      ...names
        .filter((name) => matches.test(name))
        .toSorted()
        .map((name) => posix.join(posix.dirname(full), name)),
    );
  }
  return found;
}

/** Returns a name pattern with `*` and `?` as a regular expression. */
function matcher(glob: string): RegExp {
  const escaped = glob.replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`);
}

/** Returns the last value of a key in the settings of the CRI. */
function lastIn(tables: readonly TomlTable[], ...keys: readonly string[]): unknown {
  return tables
    .flatMap((table) => PLUGINS.map((plugin) => at(table, "plugins", plugin, ...keys)))
    .findLast((value) => value !== undefined);
}

function merged(tables: readonly TomlTable[]): ContainerdConfig {
  const last = (...keys: readonly string[]): unknown => lastIn(tables, ...keys);
  const flag = (name: string) => {
    const value = last(name);
    return typeof value === "boolean" ? value : undefined;
  };
  const text = (...keys: readonly string[]) => {
    const value = last(...keys);
    return typeof value === "string" ? value : undefined;
  };
  const enableCriu = flag("enable_criu");
  const restoreViaCreate = flag("enable_experimental_restore_via_create");
  const defaultHandler = text("containerd", "default_runtime_name");
  const defaultType = text("containerd", "runtimes", defaultHandler ?? "runc", "runtime_type");
  return {
    ...(enableCriu !== undefined && { enableCriu }),
    ...(restoreViaCreate !== undefined && { restoreViaCreate }),
    ...(defaultHandler !== undefined && { defaultHandler }),
    ...(defaultType !== undefined && { defaultType }),
  };
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
