/** Maximum number of waiting notifications of all destinations. Each needs 1.5 kB of memory (measured with Node 20). */
export const MAX_PENDING = 10_000;
/** Maximum number of waiting notifications of one namespace, so that it cannot block others. */
export const MAX_OF_NAMESPACE = 2500;

/** Counts and limits the waiting notifications of all destinations. */
export class Pending {
  private total = 0;
  private readonly byNamespace = new Map<string, number>();
  private readonly byPolicy = new Map<string, { count: number; cause?: string }>();

  /** Counts one more. @returns why it exceeds a limit; undefined if it does not */
  take(namespace: string, policyUID: string): string | undefined {
    const ofNamespace = this.byNamespace.get(namespace) ?? 0;
    if (this.total >= MAX_PENDING) return `${MAX_PENDING} notifications wait`;
    if (ofNamespace >= MAX_OF_NAMESPACE) return `${MAX_OF_NAMESPACE} notifications of the namespace wait`;
    this.total++;
    this.byNamespace.set(namespace, ofNamespace + 1);
    const policy = this.byPolicy.get(policyUID);
    if (policy) policy.count++;
    else this.byPolicy.set(policyUID, { count: 1 });
    return undefined;
  }

  release(namespace: string, policyUID: string): void {
    this.total--;
    const ofNamespace = (this.byNamespace.get(namespace) ?? 0) - 1;
    if (ofNamespace > 0) this.byNamespace.set(namespace, ofNamespace);
    else this.byNamespace.delete(namespace);
    const policy = this.byPolicy.get(policyUID);
    if (policy && --policy.count === 0) this.byPolicy.delete(policyUID);
  }

  /** Records why the last attempt of a policy's notifications failed. */
  note(policyUID: string, cause: string): void {
    const policy = this.byPolicy.get(policyUID);
    if (policy) policy.cause = cause;
  }

  /** Returns how many of a policy wait, and why the last attempt failed. */
  of(policyUID: string): { readonly count: number; readonly cause?: string } {
    return this.byPolicy.get(policyUID) ?? { count: 0 };
  }
}
