/** Volumes, security contexts and environment that helper, health check and removal share. */
import type { V1EnvVar, V1SecurityContext, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import {
  CREDENTIALS_FILE,
  CREDENTIALS_DIRECTORY,
  SETTINGS_FILE,
  SETTINGS_DIRECTORY,
} from "../../../../config/programs/agent";
import { namesOf, type ResolvedInstall } from "../../../../config/install";
import type { NodeAgentSettings } from "../../../../config/engines/node-agent";
import { UNPRIVILEGED } from "../../pod";

/** Volumes of a pod, and their mounts in a container. */
export interface Mounts {
  readonly volumes: V1Volume[];
  readonly volumeMounts: V1VolumeMount[];
}

/** Merges several volumes and their mounts. */
export function mergeMounts(...all: readonly Mounts[]): Mounts {
  return {
    volumes: all.flatMap(({ volumes }) => volumes),
    volumeMounts: all.flatMap(({ volumeMounts }) => volumeMounts),
  };
}

/** Security context of root without capabilities, so that root owns the files that it writes on the node. */
export const ROOT = {
  ...UNPRIVILEGED,
  runAsNonRoot: false,
  runAsUser: 0,
  runAsGroup: 0,
} satisfies V1SecurityContext;

/** Security context of the image's user, for a container that only reads from the node. */
export const NON_ROOT = {
  ...UNPRIVILEGED,
  runAsUser: 65_532,
  runAsGroup: 65_532,
} satisfies V1SecurityContext;

/** Mounts a directory of the node. `at` is the path in the container. Default: the path on the node. */
export function hostDirectory(
  name: string,
  path: string,
  access: "read" | "write",
  { at = path, create = false }: { readonly at?: string; readonly create?: boolean } = {},
): Mounts {
  return {
    volumes: [{ name, hostPath: { path, type: create ? "DirectoryOrCreate" : "" } }],
    volumeMounts: [{ name, mountPath: at, ...(access === "read" ? { readOnly: true } : {}) }],
  };
}

/** Mounts an emptyDir. */
export function emptyDirectory(name: string, at: string, sizeLimit: string): Mounts {
  return {
    volumes: [{ name, emptyDir: { sizeLimit } }],
    volumeMounts: [{ name, mountPath: at }],
  };
}

/** Path of the mounted settings. */
export const SETTINGS_PATH = `${SETTINGS_DIRECTORY}/${SETTINGS_FILE}`;

/** Mounts the settings. */
export function settings({ install }: { readonly install: ResolvedInstall }): Mounts {
  const name = "settings";
  return {
    volumes: [{ name, configMap: { name: namesOf(install).agentSettings } }],
    volumeMounts: [{ name, mountPath: SETTINGS_DIRECTORY, readOnly: true }],
  };
}

/** Mounts the Docker config.json with the credentials of the registry, if the engine has one. */
export function credentials({
  engine,
}: {
  readonly engine: Pick<NodeAgentSettings, "registryCredentials">;
}): Mounts {
  const { registryCredentials } = engine;
  if (!registryCredentials) return { volumes: [], volumeMounts: [] };
  const name = "registry-credentials";
  const { name: secretName, key } = registryCredentials;
  return {
    volumes: [{ name, secret: { secretName, items: [{ key, path: CREDENTIALS_FILE }] } }],
    volumeMounts: [{ name, mountPath: CREDENTIALS_DIRECTORY, readOnly: true }],
  };
}

/** Mounts what `automountServiceAccountToken` would mount, but in one container instead of all. */
export function apiToken(): Mounts {
  const name = "api-token";
  return {
    volumes: [
      {
        name,
        projected: {
          defaultMode: 0o444,
          sources: [
            { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
            {
              configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] },
            },
            {
              downwardAPI: {
                items: [
                  {
                    path: "namespace",
                    fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" },
                  },
                ],
              },
            },
          ],
        },
      },
    ],
    volumeMounts: [{ name, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }],
  };
}

/** Environment variables from the downward API. The `env` of a user must not set them. */
const FIELDS = {
  NODE_NAME: "spec.nodeName",
  POD_NAME: "metadata.name",
  POD_NAMESPACE: "metadata.namespace",
  POD_UID: "metadata.uid",
} as const;

/** Returns the environment of a container: the variables of the downward API, and more. */
export function environment(more: Readonly<Record<string, string>>): V1EnvVar[] {
  return [
    ...Object.entries(FIELDS).map(([name, fieldPath]) => ({
      name,
      valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
    })),
    ...Object.entries(more).map(([name, value]) => ({ name, value })),
  ];
}
