/** Something that the engine works on, or may work on. */
export interface Busy {
  /** Of the Checkpoint, or of the Cedana that restores. */
  readonly uid: string;
  /** `namespace/name` of the pod. */
  readonly pod: string;
  readonly nodeName: string;
  /** `namespace/name` of the object, for messages. */
  readonly key: string;
  /** When it is surely over, if nobody is going to say so; ms since the epoch. */
  readonly untilMs?: number;
}

/** One that waits for its turn. */
export interface Candidate {
  readonly uid: string;
  readonly pod: string;
  readonly nodeName: string;
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly message: string; readonly untilMs?: number };

/**
 * Whether a candidate may begin: its pod is not worked on, its node has a free slot, and no older one would take it.
 *
 * @param busy on the candidate's pod or node
 * @param older candidates for the same pod or node that are to have their turn first, oldest first
 */
export function admit(
  candidate: Candidate,
  busy: readonly Busy[],
  older: readonly Candidate[],
  maxPerNode: number,
): Admission {
  const onPod = busy.find(({ pod }) => pod === candidate.pod);
  if (onPod) {
    const what = onPod.untilMs === undefined ? "is worked on" : "may still be worked on";
    return { ...wait(`pod ${candidate.pod} ${what} for ${onPod.key}`), ...until([onPod]) };
  }
  const onNode = busy.filter(({ nodeName }) => nodeName === candidate.nodeName);
  const taken = new Set(busy.map(({ pod }) => pod));
  let free = maxPerNode - onNode.length;
  for (const one of older) {
    if (taken.has(one.pod)) continue;
    taken.add(one.pod);
    if (one.nodeName === candidate.nodeName) free--;
  }
  if (free <= 0) {
    const message = `node ${candidate.nodeName} has its most checkpoints at a time (${maxPerNode}), older ones first`;
    return { ...wait(message), ...until(onNode) };
  }
  if (taken.has(candidate.pod)) return wait(`an older one for pod ${candidate.pod} is first`);
  return { admitted: true };
}

function wait(message: string): { readonly admitted: false; readonly message: string } {
  return { admitted: false, message };
}

/** The first of those that end by time alone. */
function until(busy: readonly Busy[]): { untilMs?: number } {
  const times = busy.flatMap(({ untilMs }) => (untilMs === undefined ? [] : [untilMs]));
  return times.length === 0 ? {} : { untilMs: Math.min(...times) };
}
