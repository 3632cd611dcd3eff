import { controller, type Controller, type DeniedList } from "../kube";
import type { Runtime } from "./runtime";

/** How often the event of a list that stays denied is repeated: the API server deletes events after an hour. */
const REPEAT_MS = 1_800_000;
const MAX_DELAY_MS = 60_000;
/** Key of the lists that are not of one namespace. */
const CLUSTER = "cluster";

/**
 * Returns the controller that reports lists that the API server denies: a namespace was deleted with its RoleBinding, a
 * permission or a CRD is missing. Other functions and namespaces are not affected. The metric is `cedana_reflector_denied`.
 */
export function denialsController({ cache, events, log, metrics }: Runtime): Controller {
  const keyOf = ({ namespace }: DeniedList) => namespace ?? CLUSTER;
  const builder = controller("denied-lists", { log, metrics, maxDelayMs: MAX_DELAY_MS });
  const known = new Set<string>();
  return builder.reconcile(
    async (key) => {
      const denied = cache.denied.filter((one) => keyOf(one) === key);
      const [first] = denied;
      if (first === undefined) {
        if (known.delete(key)) log.info({ scope: key }, "lists are permitted again");
        return undefined;
      }
      known.add(key);
      const informers = denied.map(({ informer }) => informer).toSorted();
      const note = `${informers.join(", ")}: ${first.denial?.message}`;
      log.warn({ scope: key, informers, error: first.denial?.message }, "lists are denied and skipped");
      events.record({
        regarding: regardingOf(first),
        type: "Warning",
        reason: "ListDenied",
        action: "Skip",
        note,
      });
      return { requeueAfterMs: REPEAT_MS };
    },
    {
      start: () => {
        cache.onDenial((list) => builder.queue.add(keyOf(list)));
        for (const list of cache.denied) builder.queue.add(keyOf(list));
      },
    },
  );
}

/** Returns the namespace, or the kind. The events of both are in the namespace `default`. */
function regardingOf({ namespace, kind: { apiVersion, plural } }: DeniedList) {
  if (namespace !== undefined) return { apiVersion: "v1", kind: "Namespace", name: namespace };
  const [group = ""] = apiVersion.includes("/") ? apiVersion.split("/") : [];
  const name = group === "" ? plural : `${plural}.${group}`;
  return { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", name };
}
