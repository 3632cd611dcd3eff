/** What a sandbox pod must not have beyond the profile `baseline` of the Pod Security Standards: more would be the node's. */
import { APPARMOR_ANNOTATION, BASELINE_CAPABILITIES } from "../../api";
import { itemsAt, textAt, textsAt, type Json } from "../../kube";

const UNCONFINED = "Unconfined";
/** Profiles of the pod and of a container, by the field of the security context. */
const PROFILES = { seccompProfile: "seccomp", appArmorProfile: "AppArmor" } as const;

/**
 * Returns the privileges of a pod and of some of its containers that a sandbox pod must not have, in words.
 * @param containers those that are restored
 */
export function privilegesOf(pod: Json, containers: readonly Json[]): string[] {
  const found = unconfinedIn(pod, "the pod", ["spec"]);
  const annotations = textsAt(pod, "metadata", "annotations");
  for (const container of containers) {
    const name = textAt(container, "name") ?? "";
    const subject = `container ${name}`;
    const added = itemsAt(container, "securityContext", "capabilities", "add").map(String);
    const extra = added.filter((one) => !(BASELINE_CAPABILITIES as readonly string[]).includes(one));
    if (extra.length > 0) found.push(`${subject} adds the capabilities ${extra.join(", ")}`);
    const procMount = textAt(container, "securityContext", "procMount") ?? "Default";
    if (procMount !== "Default") found.push(`${subject} has procMount ${procMount}`);
    const unconfined = unconfinedIn(container, subject, []);
    if (unconfined.length === 0 && annotations[`${APPARMOR_ANNOTATION}${name}`] === "unconfined")
      unconfined.push(`${subject} has no AppArmor profile (${UNCONFINED})`);
    found.push(...unconfined);
  }
  return found;
}

function unconfinedIn(json: Json, subject: string, path: readonly string[]): string[] {
  return Object.entries(PROFILES)
    .filter(([field]) => textAt(json, ...path, "securityContext", field, "type") === UNCONFINED)
    .map(([, name]) => `${subject} has no ${name} profile (${UNCONFINED})`);
}
