import type { KubernetesObject } from "./support";

/** One difference between two sets of objects: `Kind/name`, or `Kind/name: path`. */
export function differences(
  left: readonly KubernetesObject[],
  right: readonly KubernetesObject[],
): Map<string, string> {
  const [a, b] = [byIdentity(left), byIdentity(right)];
  const found = new Map<string, string>();
  for (const identity of new Set([...a.keys(), ...b.keys()])) {
    const [one, other] = [a.get(identity), b.get(identity)];
    if (one === undefined || other === undefined) {
      found.set(identity, one === undefined ? "only ours" : "only the chart's");
      continue;
    }
    for (const path of new Set([...one.keys(), ...other.keys()])) {
      if (one.get(path) !== other.get(path)) {
        found.set(`${identity}: ${path}`, `${one.get(path) ?? "-"} -> ${other.get(path) ?? "-"}`);
      }
    }
  }
  return found;
}

function byIdentity(objects: readonly KubernetesObject[]): Map<string, Map<string, string>> {
  return new Map(
    objects.map((object) => [`${object.kind}/${object.metadata.name}`, leaves(withoutIdentity(object))]),
  );
}

function withoutIdentity(object: KubernetesObject): object {
  const metadata: Partial<KubernetesObject["metadata"]> = { ...object.metadata };
  delete metadata.name;
  return { ...object, kind: undefined, metadata };
}

/** Returns every leaf by its path. Lists of named objects are keyed by name, permissions are listed one by one, environment variables by their source. */
function leaves(value: unknown, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (item: unknown, at: string, key: string): void => {
    if (key === "env") {
      for (const { name, ...source } of item as { name: string }[])
        found.set(`${at}.${name}`, origin(source));
    } else if (key === "rules") {
      for (const permission of (item as Record<string, string[]>[]).flatMap(permissionsOf))
        found.set(`${at} ${permission}`, "granted");
    } else if (Array.isArray(item)) {
      if (item.every((part) => typeof part !== "object")) found.set(at, JSON.stringify(item));
      else
        item.forEach((part: Record<string, unknown>, index) =>
          walk(part, `${at}[${nameOf(part) ?? index}]`, ""),
        );
    } else if (typeof item === "object" && item !== null) {
      const entries = Object.entries(item);
      if (entries.length === 0) found.set(at, "{}");
      for (const [name, part] of entries) walk(part, at === "" ? name : `${at}.${name}`, name);
    } else if (item !== undefined) {
      found.set(at, `${item as string | number | boolean}`.replace(/^[0-9a-f]{64}$/, "<sha256>"));
    }
  };
  walk(value, path, "");
  return found;
}

const nameOf = (part: Record<string, unknown>) => (part["name"] ?? part["topologyKey"]) as string | undefined;

function origin(source: object): string {
  return JSON.stringify(source, (_, part: unknown) =>
    typeof part === "object" && part !== null
      ? Object.fromEntries(Object.entries(part).toSorted(byKey))
      : part,
  );
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]) => a.localeCompare(b);

function permissionsOf(rule: Record<string, string[]>): string[] {
  const { apiGroups = [], resources = [], nonResourceURLs = [], verbs = [] } = rule;
  return verbs.flatMap((verb) => [
    ...nonResourceURLs.map((url) => `${verb} ${url}`),
    ...apiGroups.flatMap((group) => resources.map((resource) => `${verb} ${group}/${resource}`)),
  ]);
}
