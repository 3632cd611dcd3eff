import type { PolicyPod } from "./types";

/** Pods by UID and by namespace. */
export class Pods {
  private readonly pods = new Map<string, PolicyPod>();
  private readonly byNamespace = new Map<string, Set<string>>();

  get(uid: string): PolicyPod | undefined {
    return this.pods.get(uid);
  }

  /** Returns the UIDs of the pods of a namespace. Default: of all. */
  uids(namespace?: string): Iterable<string> {
    return namespace === undefined ? this.pods.keys() : (this.byNamespace.get(namespace) ?? []);
  }

  /** @returns whether it is new */
  set(pod: PolicyPod): boolean {
    const isNew = !this.pods.has(pod.uid);
    this.pods.set(pod.uid, pod);
    this.byNamespace.set(pod.namespace, (this.byNamespace.get(pod.namespace) ?? new Set()).add(pod.uid));
    return isNew;
  }

  /** @returns the pod, if there was one */
  remove(uid: string): PolicyPod | undefined {
    const pod = this.pods.get(uid);
    if (!pod) return undefined;
    this.pods.delete(uid);
    const others = this.byNamespace.get(pod.namespace);
    others?.delete(uid);
    if (others?.size === 0) this.byNamespace.delete(pod.namespace);
    return pod;
  }
}
