import type { ContainerCheckpoint } from "../../../api";
import type { AdmittedContainer, AdmittedPod } from "./pod";

/** The API server cuts warnings at 256 characters, and drops what is beyond 4096 in all. */
const LONGEST = 250;
const ALL = 4096;

/** What the restored container will not have as it was, checked against what the new pod mounts. */
export function notesOf(
  pod: AdmittedPod,
  { name, image }: AdmittedContainer,
  checkpoint: ContainerCheckpoint,
): string[] {
  const { mounts = [] } = pod.containers.find((one) => one.name === name) ?? {};
  const notes = (checkpoint.notRestored ?? [])
    // "/data: mount the volume ... there again": it is.
    .filter(({ code, message }) => code !== "volume" || !mounts.includes(message.split(":", 1)[0] ?? ""))
    .map(({ message }) => `container ${name}: ${message}`);
  if (pod.hasPullSecrets)
    notes.push(
      `container ${name}: the node pulls base image ${checkpoint.baseImage ?? image} without imagePullSecrets, if it does not have it`,
    );
  return notes;
}

/** As many as the API server hands on, the last of them saying how many are left out. */
export function bounded(notes: readonly string[], name: string): string[] {
  const cut = notes.map((note) => (note.length > LONGEST ? `${note.slice(0, LONGEST - 1)}…` : note));
  const kept: string[] = [];
  let bytes = LONGEST;
  for (const note of cut) {
    bytes += Buffer.byteLength(note);
    if (bytes > ALL) break;
    kept.push(note);
  }
  const left = cut.length - kept.length;
  return left === 0 ? kept : [...kept, `and ${left} more: see status.containers of Checkpoint ${name}`];
}
