import { ApiError, type Body, type KubernetesClient } from "../../kube/client";
import type { CheckpointStatus } from "../../api/checkpoint";
import { pathOf, type Json } from "../../kube/runtime";
import {
  CEDANA,
  CHECKPOINT,
  projectCedana,
  projectCheckpoint,
  type CedanaObject,
  type CedanaStatus,
  type CheckpointObject,
} from "./objects";

/** Owner of the fields that are written. */
export const FIELD_MANAGER = "cedana-controller";

/** Whether the object has changed since, or is gone: it is to be looked at anew. */
export function isOutdated(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 409 || error.status === 404);
}

/** Whether a JSON Patch did not apply because one of its tests does not hold, or the object is gone. */
export function isNotAsTested(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 422 || isOutdated(error));
}

/** Whether a write was surely not done: the API server refused it. */
export function isRefused(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500;
}

type Client = Pick<KubernetesClient, "send">;
type Target = CheckpointObject | CedanaObject;

/** The object as it is, or undefined. */
async function get(client: Client, path: string, signal?: AbortSignal): Promise<Json | undefined> {
  try {
    return (await client.send("GET", path, undefined, { signal })) as Json;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

export function getPod(client: Client, namespace: string, name: string, signal?: AbortSignal) {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  return get(client, path, signal);
}

export async function getCheckpoint(client: Client, namespace: string, name: string, signal?: AbortSignal) {
  const raw = await get(client, pathOf(CHECKPOINT, namespace, name), signal);
  return raw === undefined ? undefined : projectCheckpoint(raw);
}

export async function getCedana(client: Client, namespace: string, name: string, signal?: AbortSignal) {
  const raw = await get(client, pathOf(CEDANA, namespace, name), signal);
  return raw === undefined ? undefined : projectCedana(raw);
}

/** Replaces what we say in the status, if the object is still of this version. @throws ApiError 409 if not, 404 if gone */
export async function putCheckpointStatus(
  client: Client,
  object: CheckpointObject,
  status: CheckpointStatus,
): Promise<CheckpointObject> {
  return projectCheckpoint(await applyStatus(client, CHECKPOINT, object, status));
}

export async function putCedanaStatus(
  client: Client,
  object: CedanaObject,
  status: CedanaStatus,
): Promise<CedanaObject> {
  return projectCedana(await applyStatus(client, CEDANA, object, status));
}

/** The version is what guards the write: in an apply to a status the API server does not compare UIDs. */
async function applyStatus(
  client: Client,
  kind: typeof CHECKPOINT,
  { metadata }: Target,
  status: object,
): Promise<Json> {
  const { name, namespace, resourceVersion } = metadata;
  const content = {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name, namespace, resourceVersion },
    status,
  };
  const query = { fieldManager: FIELD_MANAGER, force: "true" };
  const body: Body = { type: "application/apply-patch+yaml", content };
  return (await client.send("PATCH", `${pathOf(kind, namespace, name)}/status`, body, { query })) as Json;
}

export interface Operation {
  readonly op: "add" | "remove" | "replace" | "test";
  readonly path: string;
  readonly value?: unknown;
}

/** @throws ApiError 422 if a test does not hold */
export async function patch(
  client: Client,
  kind: typeof CHECKPOINT,
  { metadata: { name, namespace, uid } }: Target,
  operations: readonly Operation[],
): Promise<Json> {
  const content: Operation[] = [{ op: "test", path: "/metadata/uid", value: uid }, ...operations];
  const body: Body = { type: "application/json-patch+json", content };
  const query = { fieldManager: FIELD_MANAGER };
  return (await client.send("PATCH", pathOf(kind, namespace, name), body, { query })) as Json;
}
