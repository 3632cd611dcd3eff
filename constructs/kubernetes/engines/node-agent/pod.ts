/** Volumes and security contexts that the containers of the node agent share. */
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

/** Volumes of a pod, and where a container has them. */
export interface Mounted {
  readonly volumes: V1Volume[];
  readonly volumeMounts: V1VolumeMount[];
}

export function together(...all: readonly Mounted[]): Mounted {
  return {
    volumes: all.flatMap(({ volumes }) => volumes),
    volumeMounts: all.flatMap(({ volumeMounts }) => volumeMounts),
  };
}

/** Root without any capability: it owns what it writes on the node. */
export const ROOT = {
  ...UNPRIVILEGED,
  runAsNonRoot: false,
  runAsUser: 0,
  runAsGroup: 0,
} satisfies V1SecurityContext;

/** User and group of the container that needs nothing of the node but to read. */
export const NOBODY = {
  ...UNPRIVILEGED,
  runAsUser: 65_532,
  runAsGroup: 65_532,
} satisfies V1SecurityContext;

/** A folder of the node. `at`: where the container has it; left out, at the same path as on the node. */
export function hostFolder(
  name: string,
  path: string,
  access: "read" | "write",
  { at = path, create = false }: { readonly at?: string; readonly create?: boolean } = {},
): Mounted {
  return {
    volumes: [{ name, hostPath: { path, type: create ? "DirectoryOrCreate" : "" } }],
    volumeMounts: [{ name, mountPath: at, ...(access === "read" ? { readOnly: true } : {}) }],
  };
}

export function scratch(name: string, at: string, sizeLimit: string): Mounted {
  return {
    volumes: [{ name, emptyDir: { sizeLimit } }],
    volumeMounts: [{ name, mountPath: at }],
  };
}

export const SETTINGS_PATH = `${SETTINGS_DIRECTORY}/${SETTINGS_FILE}`;

export function settings({ install }: { readonly install: ResolvedInstall }): Mounted {
  const name = "settings";
  return {
    volumes: [{ name, configMap: { name: namesOf(install).agentSettings } }],
    volumeMounts: [{ name, mountPath: SETTINGS_DIRECTORY, readOnly: true }],
  };
}

/** The Docker config.json with which images are pushed, if the engine has one. */
export function credentials({
  engine,
}: {
  readonly engine: Pick<NodeAgentSettings, "registryCredentials">;
}): Mounted {
  const { registryCredentials } = engine;
  if (!registryCredentials) return { volumes: [], volumeMounts: [] };
  const name = "registry-credentials";
  const { name: secretName, key } = registryCredentials;
  return {
    volumes: [{ name, secret: { secretName, items: [{ key, path: CREDENTIALS_FILE }] } }],
    volumeMounts: [{ name, mountPath: CREDENTIALS_DIRECTORY, readOnly: true }],
  };
}

/**
 * What `automountServiceAccountToken` would mount, as a volume that not every container of the pod has.
 */
export function apiToken(): Mounted {
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

/** What the agents learn of their own pod; a user's `env` may not set these. */
const FIELDS = {
  NODE_NAME: "spec.nodeName",
  HOST_IP: "status.hostIP",
  POD_NAME: "metadata.name",
  POD_NAMESPACE: "metadata.namespace",
  POD_UID: "metadata.uid",
} as const;

export function environment(more: Readonly<Record<string, string>>): V1EnvVar[] {
  return [
    ...Object.entries(FIELDS).map(([name, fieldPath]) => ({
      name,
      valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
    })),
    ...Object.entries(more).map(([name, value]) => ({ name, value })),
  ];
}
