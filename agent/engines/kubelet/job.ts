import type { NodeCheckpointSpec, NodeCheckpointStatus } from "../../../api";
import { ArchiveError, notRestored, type ArchiveMetadata, type PushedImage } from "../../archive";
import {
  CheckpointFailure,
  CheckpointJob,
  NodeCheckpointWork,
  type NodeCheckpointObject,
  type Request,
} from "../../work";
import type { JobContext } from "./context";
import type { JournalEntry } from "./journal";
import { KubeletCheckpoint } from "./kubelet-checkpoint";
import { checkQuota } from "./quota";

/** Checkpoints of containers by the kubelet: at most one at a time for a container. */
export class KubeletWork extends NodeCheckpointWork<JournalEntry> {
  constructor(
    private readonly context: JobContext,
    private readonly stop: AbortSignal,
  ) {
    super(context);
  }

  protected subjectOf({ podRef, containerName }: NodeCheckpointSpec): string {
    return `container ${podRef.namespace}/${podRef.name}/${containerName}`;
  }

  job(request: Request): KubeletCheckpointJob {
    return new KubeletCheckpointJob(this.context, request, this.stop);
  }
}

/** Requests the checkpoint of one container from the kubelet, and pushes the archive as an image. */
export class KubeletCheckpointJob extends CheckpointJob<JournalEntry> {
  protected readonly removesFirst = true;

  constructor(
    private readonly context: JobContext,
    { uid, name }: { readonly uid: string; readonly name: string },
    stop: AbortSignal,
  ) {
    super(context, { uid, name }, stop);
  }

  protected async checkpointAndPush(
    object: NodeCheckpointObject,
    found: JournalEntry | undefined,
  ): Promise<NodeCheckpointStatus> {
    const startMs = this.startOf(object, found);
    const deadlineMs = startMs + object.spec.timeoutSeconds * 1000;
    const kubelet = new KubeletCheckpoint(this.context, deadlineMs, this.signal);
    let entry = found ?? (await this.begin(object, startMs));
    if (entry.archive === undefined) entry = await (found ? kubelet.recover(entry) : kubelet.request(entry));
    for (;;) {
      try {
        return resultOf(await this.push(entry, entry.archive ?? "", deadlineMs));
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error;
        if (entry.adopted !== true) throw new CheckpointFailure("CheckpointFailed", error.message);
        this.context.log.warn({ ...this.id, err: error }, "the archive of a lost response is incomplete");
      }
      entry = await kubelet.requestAgain(entry);
    }
  }

  /** Checks image and quota, and writes the entry for the first request. */
  private async begin({ spec }: NodeCheckpointObject, startMs: number): Promise<JournalEntry> {
    const { archives, journal } = this.context;
    this.checkRepository(spec);
    await checkQuota(this.context, "before");
    const before = await archives.ofContainer(spec);
    await this.report(startMs, "CheckpointInProgress", "requesting the checkpoint from the kubelet");
    this.signal.throwIfAborted();
    const entry: JournalEntry = {
      ...this.id,
      spec,
      phase: "requested",
      startMs,
      requestedMs: Date.now(),
      before,
    };
    await journal.put(entry);
    return entry;
  }

  private async push(entry: JournalEntry, file: string, deadlineMs: number): Promise<PushedImage> {
    const { spec, startMs } = entry;
    const { archives, push } = this.context;
    await checkQuota(this.context, "after");
    const sizeBytes = (await archives.stat(file))?.size;
    const fields = { archive: file, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    const check = (metadata: ArchiveMetadata) => checkPod(metadata, spec.podRef);
    const fatal = async (error: unknown) => {
      if (error instanceof ArchiveError) return error;
      const isMissing = isAbsent(error) && (await archives.stat(file)) === undefined;
      return isMissing ? this.missingArchive(entry, file) : undefined;
    };
    const options = { spec, startMs, deadlineMs, fields, fatal };
    return this.pushed({ ...options, push: (signal) => push({ file, image: spec.image, check, signal }) });
  }

  /** Returns the error for a missing archive. A previous process may have deleted an adopted one before a new request. */
  private missingArchive({ adopted }: JournalEntry, file: string): Error {
    const problem = "was deleted by another program";
    return adopted
      ? new ArchiveError(file, problem)
      : new CheckpointFailure("CheckpointFailed", `${file}: ${problem}`);
  }

  protected async located(entry: JournalEntry): Promise<JournalEntry> {
    const { spec, requestedMs, before } = entry;
    const found =
      requestedMs === undefined
        ? undefined
        : await this.context.archives.requestedAt(spec, requestedMs, before);
    const archive = entry.archive ?? found;
    return { ...entry, ...(archive === undefined ? {} : { archive }) };
  }

  protected async remove({ archive }: JournalEntry): Promise<void> {
    if (archive !== undefined) await this.context.archives.remove(archive);
  }

  protected async abandon(entry: JournalEntry): Promise<void> {
    const { phase, archive, startMs, spec } = entry;
    const kubelet = new KubeletCheckpoint(this.context, startMs + spec.timeoutSeconds * 1000, this.stop);
    const found =
      archive ?? (phase === "requested" ? await kubelet.findArchive(entry, this.stop) : undefined);
    if (found !== undefined) await this.context.archives.remove(found);
  }
}

/** Checks the pod's UID in the archive, because the kubelet's API has no UIDs. */
function checkPod({ pod }: ArchiveMetadata, expected: JournalEntry["spec"]["podRef"]): void {
  if (pod.uid === undefined || pod.uid === expected.uid) return;
  const message = `pod ${expected.namespace}/${expected.name} was replaced: its UID is ${pod.uid}, not ${expected.uid}`;
  throw new CheckpointFailure("SourcePodReplaced", message);
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Returns the status fields of a pushed image, within the limits of the kind's schema. */
function resultOf({ image, digest, size, architecture, metadata }: PushedImage): NodeCheckpointStatus {
  const { baseImage, frozenMs, checkpointedAt } = metadata;
  return {
    image,
    digest,
    sizeBytes: size,
    architecture,
    baseImage: baseImage.digest === undefined ? baseImage.name : baseImage.reference,
    checkpointedTime: checkpointedAt.toISOString(),
    ...(frozenMs === undefined ? {} : { frozenMilliseconds: Math.round(frozenMs) }),
    notRestored: notRestored(metadata)
      .slice(0, 256)
      .map(({ code, message }) => ({ code, message: message.slice(0, 4096) })),
  };
}
