import { projectCheckpoint, type CheckpointObject } from "../../../../controller/checkpoints/objects";
import { SANDBOX_POD, type SandboxObject } from "../../../../controller/verify/objects";
import type { SandboxRequest, SandboxSettings } from "../../../../controller/verify/sandbox";
import type { Json } from "../../../../kube";
import { checkpointJson, saved } from "../restore/support";

export const asJson = (value: unknown) => value as Json;

export const checkpointOf = (...names: readonly string[]): CheckpointObject =>
  projectCheckpoint(asJson(checkpointJson({ containers: names.map((name) => saved(name)) })));

export const REQUEST: SandboxRequest = {
  name: "verify-web-0-0123456789ab",
  policy: { name: "prove", uid: "uid-policy" },
  settings: {},
  nodeSelector: {},
};

/** The volume of credentials that the API server adds to each pod. */
export const TOKEN = {
  name: "kube-api-access-x1",
  projected: {
    defaultMode: 420,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  },
};

/** Returns a pod as the API server stores it, of a StatefulSet, with what a sandbox pod must not have. */
export function storedPod(spec: object = {}, container: object = {}): Json {
  return asJson({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web-0",
      namespace: "team-a",
      uid: "uid-of-web-0",
      labels: { app: "web", "controller-revision-hash": "rev-1" },
      annotations: {
        "prometheus.io/scrape": "true",
        "container.apparmor.security.beta.kubernetes.io/app": "localhost/web",
        "container.apparmor.security.beta.kubernetes.io/gone": "localhost/gone",
      },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "uid-owner", controller: true },
      ],
    },
    spec: {
      nodeName: "n1",
      nodeSelector: { zone: "a" },
      hostname: "web-0",
      subdomain: "web",
      priority: 1000,
      priorityClassName: "high",
      schedulerName: "default-scheduler",
      serviceAccountName: "web",
      restartPolicy: "Always",
      terminationGracePeriodSeconds: 30,
      securityContext: { runAsUser: 1000, fsGroup: 1000 },
      affinity: {
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "host" }] },
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } },
      },
      initContainers: [
        { name: "migrate", image: "migrate:1" },
        { name: "mesh", image: "mesh:1", restartPolicy: "Always" },
      ],
      containers: [
        {
          name: "app",
          image: "app:1",
          command: ["serve"],
          ports: [{ containerPort: 80, hostPort: 80 }],
          livenessProbe: { httpGet: { port: 80 } },
          readinessProbe: { httpGet: { port: 80 } },
          lifecycle: { preStop: { exec: { command: ["leave"] } } },
          securityContext: { capabilities: { drop: ["ALL"] } },
          resources: { requests: { cpu: "250m", memory: "64Mi" } },
          volumeMounts: [
            { name: "work", mountPath: "/work" },
            { name: TOKEN.name, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true },
          ],
          ...container,
        },
      ],
      volumes: [{ name: "work", emptyDir: {} }, { name: "unused", emptyDir: {} }, TOKEN],
      ...spec,
    },
  });
}

const SETTINGS: SandboxSettings = {
  policy: "prove",
  pod: "web-0",
  runSeconds: 30,
  timeoutSeconds: 600,
  hasProbe: false,
};

/** When sandbox pods of these tests are created. */
export const CREATED = Date.parse("2026-11-28T00:00:00Z");

/** Returns a sandbox pod with the status, as the controller reads it. */
export function sandbox(
  settings: Partial<SandboxSettings> = {},
  { status = {}, metadata = {}, spec = {} }: { status?: object; metadata?: object; spec?: object } = {},
): SandboxObject & { readonly settings: SandboxSettings } {
  const all = { ...SETTINGS, ...settings };
  const object = SANDBOX_POD.project(
    asJson({
      metadata: {
        name: "verify-web-0-0123456789ab",
        namespace: "team-a",
        uid: "uid-sandbox",
        resourceVersion: "1",
        creationTimestamp: new Date(CREATED).toISOString(),
        labels: { "cedana.ai/verification": "uid-policy", "cedana.ai/restored-from": "uid-before" },
        annotations: {
          "cedana.ai/restore-containers": "app",
          "cedana.ai/verification-settings": JSON.stringify(all),
        },
        ...metadata,
      },
      spec: { nodeName: "n1", ...spec },
      status,
    }),
  );
  if (!object.settings) throw new Error("no settings");
  return { ...object, settings: object.settings };
}

/** Returns the status of a pod whose container has this state. */
export const inState = (state: object, more: object = {}, pod: object = {}) => ({
  phase: "Running",
  containerStatuses: [{ name: "app", state, ...more }],
  ...pod,
});
