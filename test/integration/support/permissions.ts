import type { Permission } from "./apiserver";

const LINE = /^([\w,]+) (?:([\w.-]+)\/)?([\w:]+)(?: named ([\w.-]+))?(?: in ([\w-]+))?$/;

/**
 * Parses a line of permissions, such as `get,patch nodes`, `create coordination.k8s.io/leases in cedana-system` or
 * `create serviceaccounts:token named a in b`. Returns one permission for each verb.
 */
export function permissions(line: string): Permission[] {
  const match = LINE.exec(line);
  if (!match) throw new Error(`invalid permission: ${line}`);
  const [, verbs = "", group = "", what = "", name, namespace] = match;
  const [resource = "", subresource] = what.split(":");
  return verbs.split(",").map((verb) => ({
    verb,
    group,
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
  }));
}
