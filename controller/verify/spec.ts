/**
 * The spec of a sandbox pod, from that of a pod. Only listed fields are copied, so a field that this version does not know gives
 * no permission. What the node compares before a restore stays: containers, mounts, security contexts.
 */
import { at, isObject, isTrueAt, itemsAt, textAt, type Json } from "../../kube";
import { privilegesOf } from "./privileges";

type Fields = Readonly<Record<string, Json>>;

/** Fields of the pod's spec that are copied. */
const SPEC = [
  "enableServiceLinks",
  "hostAliases",
  "imagePullSecrets",
  "os",
  "resources",
  "runtimeClassName",
  "securityContext",
  "shareProcessNamespace",
  "tolerations",
] as const;

/** Fields of a container that are copied. Ports and hooks of its life cycle are not. */
const CONTAINER = [
  "args",
  "command",
  "env",
  "envFrom",
  "image",
  "imagePullPolicy",
  "name",
  "resources",
  "restartPolicy",
  "securityContext",
  "stdin",
  "terminationMessagePath",
  "terminationMessagePolicy",
  "tty",
  "volumeMounts",
  "workingDir",
] as const;

/** Volumes that the kubelet writes for each pod. Nothing that a sandbox pod does to them is seen elsewhere. */
const COPIES = ["configMap", "downwardAPI", "emptyDir", "secret"] as const;
/** Sources of projected volumes without credentials of the pod. */
const SOURCES = ["clusterTrustBundle", "configMap", "downwardAPI", "secret"] as const;
/** Resources that are no devices. */
const RESOURCES = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;

/**
 * Returns why no sandbox pod can be derived; empty if one can.
 * @param restored names of the restored containers
 */
export function obstaclesOf(pod: Json, restored: readonly string[]): string[] {
  const spec = at(pod, "spec") ?? {};
  const { containers, sidecars } = restoredIn(pod, restored);
  const found: string[] = [];
  if (containers.length === 0) found.push("the checkpoint has only sidecars, and a pod needs a container");
  for (const field of ["hostNetwork", "hostPID", "hostIPC"])
    if (isTrueAt(spec, field)) found.push(`the pod has ${field}, which a sandbox pod must not have`);
  if (at(spec, "hostUsers") === false)
    found.push("the pod has a user namespace, in which nothing is restored");
  if (itemsAt(spec, "resourceClaims").length > 0) found.push("the pod claims devices (resourceClaims)");
  for (const container of [...containers, ...sidecars]) {
    const name = textAt(container, "name") ?? "";
    if (isTrueAt(container, "securityContext", "privileged")) found.push(`container ${name} is privileged`);
    if (itemsAt(container, "volumeDevices").length > 0) found.push(`container ${name} has block devices`);
    for (const resource of resourcesOf(container))
      if (!RESOURCES.test(resource)) found.push(`container ${name} requests the device ${resource}`);
  }
  found.push(...privilegesOf(pod, [...containers, ...sidecars]));
  for (const volume of volumesOf(pod, [...containers, ...sidecars])) {
    const type = typeOf(volume);
    if (type === "projected" || COPIES.some((one) => one === type)) continue;
    found.push(
      type === "persistentVolumeClaim" || type === "ephemeral"
        ? `volume ${textAt(volume, "name")} is persistent: a checkpoint does not have its content, and the pod writes to it`
        : `volume ${textAt(volume, "name")} has the type ${type}, of which there is no copy`,
    );
  }
  return found;
}

/**
 * Returns the spec of the sandbox pod. Containers that are not restored, and init containers, are left out: they would start fresh.
 * @param restored names of the restored containers
 * @param more what the verification adds
 */
export function sandboxSpec(
  pod: Json,
  restored: readonly string[],
  more: {
    readonly nodeSelector: Readonly<Record<string, string>>;
    readonly deadlineSeconds: number;
    readonly probe?: { readonly container?: string | undefined; readonly readinessProbe: object };
  },
): { readonly [field: string]: unknown } {
  const spec = at(pod, "spec") ?? {};
  const { containers, sidecars } = restoredIn(pod, restored);
  const probed = more.probe && (more.probe.container ?? textAt(containers[0], "name"));
  const containerOf = (one: Json) => ({
    ...pick(one, CONTAINER),
    ...(more.probe && textAt(one, "name") === probed ? { readinessProbe: more.probe.readinessProbe } : {}),
  });
  const affinity = at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  const placement = at(spec, "nodeSelector");
  return {
    ...pick(spec, SPEC),
    activeDeadlineSeconds: more.deadlineSeconds,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    // A container that ends well is not started again. One whose restore waits for its plan is created again.
    restartPolicy: "OnFailure",
    nodeSelector: { ...(isObject(placement) ? placement : {}), ...more.nodeSelector },
    ...(affinity === undefined
      ? {}
      : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: affinity } } }),
    volumes: volumesOf(pod, [...containers, ...sidecars]).map(volumeOf),
    containers: containers.map(containerOf),
    ...(sidecars.length === 0 ? {} : { initContainers: sidecars.map(containerOf) }),
  };
}

/** Returns the containers of the pod that are restored. */
function restoredIn(pod: Json, restored: readonly string[]) {
  const isRestored = (one: Json) => restored.includes(textAt(one, "name") ?? "");
  const containers = itemsAt(pod, "spec", "containers").filter(isRestored);
  const sidecars = itemsAt(pod, "spec", "initContainers").filter(
    (one) => isRestored(one) && textAt(one, "restartPolicy") === "Always",
  );
  return { containers, sidecars };
}

/** Returns the volumes of the pod that these containers mount. */
function volumesOf(pod: Json, containers: readonly Json[]): readonly Json[] {
  const mounted = new Set(
    containers.flatMap((one) => itemsAt(one, "volumeMounts").map((mount) => textAt(mount, "name"))),
  );
  return itemsAt(pod, "spec", "volumes").filter((volume) => mounted.has(textAt(volume, "name")));
}

/** Returns the volume without tokens of the ServiceAccount. It stays, as the node compares the mounts. */
function volumeOf(volume: Json): object {
  if (typeOf(volume) !== "projected") return pick(volume, ["name", ...COPIES]);
  const sources = itemsAt(volume, "projected", "sources")
    .map((one) => pick(one, SOURCES))
    .filter((one) => Object.keys(one).length > 0);
  const name = { path: "pod", fieldRef: { fieldPath: "metadata.name" } };
  const some = sources.length > 0 ? sources : [{ downwardAPI: { items: [name] } }];
  return {
    name: textAt(volume, "name"),
    projected: { ...pick(at(volume, "projected") ?? {}, ["defaultMode"]), sources: some },
  };
}

/** Returns the field that says what the volume is. */
function typeOf(volume: Json): string {
  return Object.keys(isObject(volume) ? volume : {}).find((field) => field !== "name") ?? "emptyDir";
}

function resourcesOf(container: Json): string[] {
  const lists = ["requests", "limits"].map((field) => at(container, "resources", field));
  return [...new Set(lists.flatMap((one) => Object.keys(isObject(one) ? one : {})))];
}

function pick(from: Json, fields: readonly string[]): Fields {
  const given = isObject(from) ? (from as Fields) : {};
  return Object.fromEntries(
    fields.flatMap((field) => {
      const value = given[field];
      return value === undefined ? [] : [[field, value] as const];
    }),
  );
}
