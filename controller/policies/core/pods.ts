import type { PolicyPod } from "./types";

/** Pods by UID and by namespace. */
export class Pods {
  private readonly pods = new Map<string, PolicyPod>();
  private readonly byNamespace = new Map<string, Map<string, PolicyPod>>();

  get(uid: string): PolicyPod | undefined {
    return this.pods.get(uid);
  }

  /** Returns the pods of a namespace. Default: all. */
  of(namespace?: string): Iterable<PolicyPod> {
    return (namespace === undefined ? this.pods : this.byNamespace.get(namespace))?.values() ?? [];
  }

  /** @returns whether it is new */
  set(pod: PolicyPod): boolean {
    const isNew = !this.pods.has(pod.uid);
    this.pods.set(pod.uid, pod);
    const others = this.byNamespace.get(pod.namespace) ?? new Map<string, PolicyPod>();
    this.byNamespace.set(pod.namespace, others.set(pod.uid, pod));
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
