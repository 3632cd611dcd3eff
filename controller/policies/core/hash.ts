import { createHash } from "node:crypto";
import type { OnceSubject } from "./types";

/**
 * Returns a number from 0 (inclusive) to 1 that depends only on the text: FNV-1a with the finalizer of MurmurHash3, so that
 * similar texts are spread evenly.
 */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** Length of a name of an object: a DNS subdomain. */
const MAX_NAME = 253;

/** Returns the name of the Checkpoint of a pod that is due at a time by a policy: the pod's name and a hash. */
export function checkpointName(policyUID: string, podUID: string, podName: string, dueMs: number): string {
  return nameWithHash(podName, `${policyUID}/${podUID}/${dueMs}`);
}

/** Returns the name of the Checkpoint that a policy creates once for a subject: its name and a hash. */
export function onceName(policyUID: string, subject: OnceSubject, attempt: number): string {
  return nameWithHash(subject.name, `${policyUID}/once/${subject.id}/${attempt}`);
}

function nameWithHash(name: string, text: string): string {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return `${name.slice(0, MAX_NAME - hash.length - 1).replace(/[.-]+$/, "")}-${hash}`;
}
