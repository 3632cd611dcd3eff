import type { ArchiveMetadata } from "./metadata";

/** A pod that is restored from an image, as far as the archive knows what it was: emptyDirs are there, other volumes are not. */
export function restorePod(
  image: string,
  { containerName, pod, mounts, architecture }: ArchiveMetadata,
): object {
  const scratch = mounts.filter(({ kind, volume }) => kind === "empty-dir" && volume !== undefined);
  const volumes = [...new Set(scratch.map(({ volume }) => volume))];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${pod.name ?? containerName}-restored`.slice(-63).replace(/^[^a-z0-9]+/, ""),
      namespace: pod.namespace,
    },
    spec: {
      ...(architecture === undefined ? {} : { nodeSelector: { "kubernetes.io/arch": architecture } }),
      restartPolicy: "Never",
      containers: [
        {
          name: containerName,
          image,
          ...(scratch.length > 0
            ? { volumeMounts: scratch.map(({ volume, path }) => ({ name: volume, mountPath: path })) }
            : {}),
        },
      ],
      ...(volumes.length > 0 ? { volumes: volumes.map((name) => ({ name, emptyDir: {} })) } : {}),
    },
  };
}
