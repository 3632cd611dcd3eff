/** Features of the engine `criu`: what host service, wrapper and CRIU support together, as tested on the test bed's nodes. */
import { MARKS, type Support } from "../../features";

/** Each row has a mark, and a note on its requirements or on the reason why it is not supported. */
const ROWS = [
  ["Checkpoint of all containers of a pod at one moment", "✔", "their cgroups are frozen together"],
  ["Checkpoint of chosen containers of a pod", "✔", "the others keep running and can change shared volumes"],
  ["Checkpoint, then stop of the processes", "✔", "leaveRunning: false"],
  ["Dump of memory before the freeze", "✔", "preDump: auto; a kernel with CONFIG_MEM_SOFT_DIRTY"],
  [
    "Restore into a new pod",
    "✔",
    "containerd with the runtime handler; all containers of the checkpoint or none",
  ],
  [
    "Restore on another node",
    "✔",
    "of the same architecture and cgroup version, with all CPU features that programs use",
  ],
  ["Restart of a restored container from its checkpoint", "✔", "restore.restart: again"],
  ["Restore in place", "•", "a pod keeps its containers"],
  ["Content of emptyDir and /dev/shm", "✔", ""],
  ["TCP connections over loopback", "✔", "tcp: loopback"],
  ["TCP connections to other pods", "•", "they are closed in the restored processes"],
  ["Unix connections between containers", "•", "the checkpoint is rejected before the freeze"],
  ["Listeners with MPTCP", "•", "Go programs: GODEBUG=multipathtcp=0"],
  ["io_uring", "•", "CRIU cannot dump it"],
  ["Lazy restore of memory", "✔", "restore.lazy: true"],
  ["Checkpoint as an artifact in a registry", "✔", "ECR or another OCI registry"],
  ["Checkpoint in a directory, s3:// or cedana://", "•", "use the engine cedana"],
  ["cgroup v1", "✔", "allowCgroupV1: true"],
  ["CRI-O", "•", "the wrapper is tested with containerd only"],
  ["GPU", "•", "built, and proven on a GPU in its single steps only (docs/gpu.md); use the engine cedana"],
] as const;

/** A row of the feature table. */
export interface CriuFeature {
  readonly feature: string;
  readonly support: Support;
  /** Requirements of the feature, or the reason why it is not supported. May be empty. */
  readonly note: string;
}

const STATES = new Map(Object.entries(MARKS).map(([support, mark]) => [mark, support as Support]));

/** Lists the features in the order of the table. */
export const CRIU_FEATURES: readonly CriuFeature[] = ROWS.map(([feature, mark, note]) => ({
  feature,
  support: STATES.get(mark)!,
  note,
}));

/** Renders the features as a text table. */
export function renderCriuTable(): string {
  const width = Math.max(...CRIU_FEATURES.map(({ feature }) => feature.length));
  const line = (...cells: readonly string[]) => cells.join("  ").trimEnd();
  const rows = CRIU_FEATURES.map(({ feature, support, note }) =>
    line(feature.padStart(width), ` ${MARKS[support]}  `, note),
  );
  const used: Support[] = ["implemented", "unimplemented"];
  const legend = used.map((support) => `${MARKS[support]} = ${support}`).join(", ");
  return `${line("FEATURE".padStart(width), "CRIU", "DEPENDS ON")}\n${rows.join("\n")}\n\n${legend}\n`;
}
