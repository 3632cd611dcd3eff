import type { PolicyPod } from "./types";
import type { PolicyState } from "./policy-state";

/** The policies, by UID and by the namespace whose objects they select. */
export class PolicyRegistry {
  private readonly states = new Map<string, PolicyState>();
  /** Those of all namespaces are under "". */
  private readonly scopes = new Map<string, Set<PolicyState>>();

  get size(): number {
    return this.states.size;
  }

  get(uid: string): PolicyState | undefined {
    return this.states.get(uid);
  }

  all(): Iterable<PolicyState> {
    return this.states.values();
  }

  add(state: PolicyState): void {
    const { uid, namespace = "" } = state.policy;
    this.states.set(uid, state);
    this.scopes.set(namespace, (this.scopes.get(namespace) ?? new Set()).add(state));
  }

  /** @returns the policy, if there was one */
  remove(uid: string): PolicyState | undefined {
    const state = this.states.get(uid);
    if (!state) return undefined;
    this.states.delete(uid);
    this.scopes.get(state.policy.namespace ?? "")?.delete(state);
    return state;
  }

  /** Returns the policies of one namespace; with `""` those of all. */
  in(namespace: string): Iterable<PolicyState> {
    return this.scopes.get(namespace) ?? [];
  }

  /** Returns all policies that may select objects of a namespace. */
  for(namespace: string): readonly PolicyState[] {
    return [...this.in(namespace), ...this.in("")];
  }

  /** Returns `namespace/name` of a policy, or `name` of a cluster-scoped one. */
  keyOf(uid: string): string | undefined {
    const policy = this.states.get(uid)?.policy;
    return policy && (policy.namespace === undefined ? policy.name : `${policy.namespace}/${policy.name}`);
  }

  /** Schedules a pod whose Checkpoint has ended. @returns the policies that follow its Checkpoints */
  following(pod: PolicyPod | undefined): readonly PolicyState[] {
    return pod ? [...this.for(pod.namespace)].filter((state) => state.checkpointEnded(pod)) : [];
  }
}
