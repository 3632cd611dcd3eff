import { CLUSTER_NAMESPACE } from "../api";
import { rawKind, textAt, type Client } from "../kube";

const NAMESPACE = rawKind("v1", "Namespace", "namespaces");

/** Reads what identifies the cluster: the UID of the namespace kube-system, which lives as long as the cluster. */
export class ClusterIdentity {
  private known: string | undefined;

  constructor(private readonly client: Pick<Client, "get">) {}

  /** Returns the UID. Read once. @throws errors of the request; Error without the namespace */
  async uid(signal?: AbortSignal): Promise<string> {
    if (this.known !== undefined) return this.known;
    const found = await this.client.get(NAMESPACE, { name: CLUSTER_NAMESPACE }, signal ? { signal } : {});
    const uid = textAt(found, "metadata", "uid");
    if (uid === undefined) throw new Error(`the cluster has no namespace ${CLUSTER_NAMESPACE}`);
    this.known = uid;
    return uid;
  }
}
