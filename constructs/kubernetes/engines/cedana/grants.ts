import { CEDANA } from "../../../../api";
import type { CheckpointGrants } from "../engine";

/** Returns the permissions to reconcile `Cedana` objects. */
export function checkpointGrants(): CheckpointGrants {
  const about = { apiGroups: [CEDANA.group] };
  return {
    rules: [
      { ...about, resources: [CEDANA.plural], verbs: ["get", "list", "watch", "patch"] },
      { ...about, resources: [`${CEDANA.plural}/status`], verbs: ["patch"] },
    ],
    elsewhere: [],
  };
}
