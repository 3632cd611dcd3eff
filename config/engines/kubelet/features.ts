/** Features of the engine `kubelet`: what kubelet, container runtime and CRIU support together, as tested. */
import type { Problem } from "../../schema/problem";
import { MARKS, type GPU_SUPPORTS, type RUNTIMES, type Support } from "../../features";

/** Lists the container runtimes with which the kubelet supports checkpoints. */
export const KUBELET_RUNTIMES = ["containerd", "crio"] as const;
type KubeletRuntime = (typeof KUBELET_RUNTIMES)[number];

/** Each row has one mark per runtime, and a note on its requirements. */
const ROWS = [
  ["Checkpoint of a running container", "✔✔", "CRI-O: enable_criu_support"],
  ["Restore into a new pod", "✔✔", "containerd 2.1 to 2.3; CRI-O: the new pod has all mounts of the old one"],
  ["Restore in place", "••", "the kubelet has no API for it"],
  ["Atomic checkpoint of all containers of a pod", "••", "they are checkpointed one after the other"],
  ["Open TCP connections", "••", "the checkpoint of a container with open connections fails"],
  ["Content of emptyDir and /dev/shm", "••", "they are empty in the new pod"],
  ["Checkpoint as an image in a registry", "✔✔", "ECR or another OCI registry"],
  ["Checkpoint in a directory, s3:// or cedana://", "••", "use the engine cedana"],
  ["GPU cuda", "✔✔", "CRIU's CUDA plugin and cuda-checkpoint, added to the image; x86_64"],
  ["GPU interception", "••", "use the engine cedana"],
  ["GPU tracing", "••", "use the engine cedana"],
] as const;

/** Name of a feature, a row of the table. */
export type KubeletFeature = (typeof ROWS)[number][0];

export interface KubeletFeatureRow {
  readonly feature: KubeletFeature;
  readonly support: Readonly<Record<KubeletRuntime, Support>>;
  /** Requirements of the feature, or the reason why it is not supported. */
  readonly note: string;
}

const STATES = new Map(Object.entries(MARKS).map(([support, mark]) => [mark, support as Support]));

/** Lists the features in the order of the table. */
export const KUBELET_FEATURES: readonly KubeletFeatureRow[] = ROWS.map(([feature, marks, note]) => {
  const [containerd, crio] = Array.from(marks, (mark) => STATES.get(mark)!);
  return { feature, support: { containerd: containerd!, crio: crio! }, note };
});

/** Describes the requested use of the engine. */
export interface KubeletUse {
  readonly runtime: (typeof RUNTIMES)[number];
  readonly gpu: (typeof GPU_SUPPORTS)[number] | "cuda";
}

/** Rejects features that are not marked as implemented in the table. */
export function checkKubeletFeatures({ runtime, gpu }: KubeletUse): Problem[] {
  const problems: Problem[] = [];
  const isSupported = (KUBELET_RUNTIMES as readonly string[]).includes(runtime);
  if (!isSupported) {
    problems.push({
      code: "unsupported-feature",
      path: ["runtime"],
      message: "is not supported by the engine kubelet",
      given: runtime,
      allowed: KUBELET_RUNTIMES.join(", "),
      remedy: "use a supported runtime (cedana-cdk features --engine kubelet prints the table)",
    });
  }
  if (gpu === "none") return problems;
  const row = KUBELET_FEATURES.find(({ feature }) => feature === `GPU ${gpu}`)!;
  const support = row.support[isSupported ? (runtime as KubeletRuntime) : "containerd"];
  if (support !== "implemented") {
    problems.push({
      code: "unsupported-feature",
      path: ["gpu"],
      message: `is not supported by the engine kubelet: "${row.feature}" is ${support}`,
      given: gpu,
      allowed: "none, cuda",
      remedy: "set cuda, with CRIU's CUDA plugin in the image, or set kind: cedana",
    });
  }
  return problems;
}

/** Renders the features as a text table. */
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
