import { PlatformError, type PlatformClient } from "../../../clients/cedana/platform";
import type { PolicyPlatformSettings } from "../../../config/programs/controller";
import type { Wanted } from "./plan";
import type { Entry, PlatformRecord } from "./record";
import type { PlatformReport } from "./report";

/** Time limit for the record of a creation and its request together. `SETTLE_MS` is longer. */
const REQUEST_MS = 30_000;

export interface CopiesOptions {
  readonly settings: Pick<PolicyPlatformSettings, "clusterId" | "root">;
  readonly record: PlatformRecord;
  readonly platform: Pick<PlatformClient, "create" | "update" | "delete">;
  readonly report: Pick<PlatformReport, "done">;
}

/** Writes copies and their record. All methods throw PlatformError, and errors of the API server. */
export class Copies {
  constructor(private readonly options: CopiesOptions) {}

  /**
   * Creates a copy. It writes the record before the request, without an id, and adds the id after the response.
   * @param known ids of all policies in the platform
   * @returns the id
   */
  async create(uid: string, wanted: Wanted, known: readonly string[], signal: AbortSignal): Promise<string> {
    const { record, platform, report } = this.options;
    // If the process was suspended meanwhile, it sends nothing: another process has started the creation again.
    const endMs = performance.now() + REQUEST_MS;
    await record.set(uid, { ...wanted, creating: { at: new Date().toISOString(), known } }, signal);
    let id: string;
    try {
      id = await platform.create(this.policyOf(wanted), { signal, endMs });
    } catch (error) {
      if (error instanceof PlatformError && error.outcome === "refused")
        await record.set(uid, undefined, signal);
      throw error;
    }
    await record.set(uid, { ...wanted, id }, signal);
    report.done("created", wanted.namespace, wanted.name, id);
    return id;
  }

  /** @returns the id */
  async update(uid: string, id: string, wanted: Wanted, signal: AbortSignal): Promise<string> {
    const { record, platform, report } = this.options;
    const next = await platform.update(id, this.policyOf(wanted), { signal });
    await record.set(uid, { ...wanted, id: next }, signal);
    report.done("updated", wanted.namespace, wanted.name, next);
    return next;
  }

  /** Deletes a copy. It marks the record before the request. The caller removes the entry once the platform has responded, or lists no such policy. */
  async delete(uid: string, entry: Entry, id: string, signal: AbortSignal): Promise<void> {
    const { record, platform, report } = this.options;
    if (!entry.deleting) await record.set(uid, { ...entry, deleting: true }, signal);
    await platform.delete(id, { signal });
    report.done("deleted", entry.namespace, entry.name, id);
  }

  /** Records the result of a creation whose response was lost. */
  async adopt(uid: string, { namespace, name, heartbeat }: Entry, id: string, signal: AbortSignal) {
    await this.options.record.set(uid, { namespace, name, heartbeat, id }, signal);
    this.options.report.done("found", namespace, name, id);
  }

  private policyOf({ namespace, heartbeat }: Wanted) {
    const { clusterId, root } = this.options.settings;
    return { clusterId, root, namespace, heartbeat };
  }
}
