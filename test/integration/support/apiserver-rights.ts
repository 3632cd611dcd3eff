import type { Right } from "./apiserver";

const RIGHT = /^([\w,]+) (?:([\w.-]+)\/)?([\w:]+)(?: named ([\w.-]+))?(?: in ([\w-]+))?$/;

/**
 * A line as people write rights, as questions for the API server, one a verb: `get,patch nodes`,
 * `create coordination.k8s.io/leases in cedana-system`, `create serviceaccounts:token named a in b`.
 */
export function rights(line: string): Right[] {
  const match = RIGHT.exec(line);
  if (!match) throw new Error(`not a right: ${line}`);
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
