/** What the engine `kubelet` can do: that of the kubelet, the container runtime and CRIU together, as far as it was seen. */
import type { Problem } from "../../schema/problem";
import { MARKS, type GPU_SUPPORTS, type RUNTIMES, type Support } from "../../features";

/** Runtimes whose containers a kubelet can have checkpointed. */
export const KUBELET_RUNTIMES = ["containerd", "crio"] as const;
type KubeletRuntime = (typeof KUBELET_RUNTIMES)[number];

/** One mark a runtime, then what the row depends on. */
const ROWS = [
  ["Checkpoint of a running container", "✔✔", "CRI-O: enable_criu_support"],
  ["Restore into a new pod", "✔✔", "containerd 2.1 to 2.3; CRI-O: the new pod has all mounts of the old"],
  ["Restore in place", "••", "the kubelet has no such request"],
  ["Containers of a pod at one moment", "••", "one after the other"],
  ["Open TCP connections", "••", "a checkpoint of a container that has one fails"],
  ["Content of emptyDir and /dev/shm", "••", "the new pod's are empty"],
  ["Checkpoint as an image in a registry", "✔✔", "ECR and any other of the OCI"],
  ["Checkpoint in a directory, s3:// or cedana://", "••", "the engine cedana has these"],
  ["GPU cuda", "✔✔", "CRIU's plugin and cuda-checkpoint, added by who builds the image; x86_64"],
  ["GPU interception", "••", "the engine cedana has it"],
  ["GPU tracing", "••", "the engine cedana has it"],
] as const;

/** Name of a row. */
export type KubeletFeature = (typeof ROWS)[number][0];

export interface KubeletFeatureRow {
  readonly feature: KubeletFeature;
  readonly support: Readonly<Record<KubeletRuntime, Support>>;
  /** What it depends on. */
  readonly note: string;
}

const STATES = new Map(Object.entries(MARKS).map(([support, mark]) => [mark, support as Support]));

export const KUBELET_FEATURES: readonly KubeletFeatureRow[] = ROWS.map(([feature, marks, note]) => {
  const [containerd, crio] = Array.from(marks, (mark) => STATES.get(mark)!);
  return { feature, support: { containerd: containerd!, crio: crio! }, note };
});

/** How the engine is to be used. */
export interface KubeletUse {
  readonly runtime: (typeof RUNTIMES)[number];
  readonly gpu: (typeof GPU_SUPPORTS)[number] | "cuda";
}

/** Refuses what the table does not show as implemented, naming the row that says so. */
export function checkKubeletFeatures({ runtime, gpu }: KubeletUse): Problem[] {
  const problems: Problem[] = [];
  const known = (KUBELET_RUNTIMES as readonly string[]).includes(runtime);
  if (!known) {
    problems.push({
      code: "unsupported-feature",
      path: ["runtime"],
      message:
        "has no column in the features of the engine kubelet: its containers cannot be checkpointed by a kubelet",
      given: runtime,
      allowed: KUBELET_RUNTIMES.join(", "),
      remedy: "use a runtime that can (cedana-cdk features --engine kubelet prints the table)",
    });
  }
  if (gpu === "none") return problems;
  const row = KUBELET_FEATURES.find(({ feature }) => feature === `GPU ${gpu}`)!;
  const support = row.support[known ? (runtime as KubeletRuntime) : "containerd"];
  if (support !== "implemented") {
    problems.push({
      code: "unsupported-feature",
      path: ["gpu"],
      message: `does not work with the engine kubelet: row "${row.feature}" of its features says ${support} (${row.note})`,
      given: gpu,
      allowed: "none, cuda",
      remedy: "use cuda, with CRIU's plugin in the image, or kind: cedana",
    });
  }
  return problems;
}

/** The table for people. */
export function renderKubeletTable(): string {
  const width = Math.max(...KUBELET_FEATURES.map(({ feature }) => feature.length));
  const line = (feature: string, cells: readonly string[], note: string) =>
    [feature.padStart(width), ...cells, note].join("  ").trimEnd();
  const head = line("FEATURE", ["CONTAINERD", "CRIO"], "DEPENDS ON");
  const rows = KUBELET_FEATURES.map(({ feature, support, note }) =>
    line(feature, [`    ${MARKS[support.containerd]}     `, ` ${MARKS[support.crio]}  `], note),
  );
  const used: Support[] = ["implemented", "unimplemented"];
  const legend = used.map((support) => `${MARKS[support]} = ${support}`).join(", ");
  return `${head}\n${rows.join("\n")}\n\n${legend}\n`;
}
