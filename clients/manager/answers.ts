import type { Json, JsonObject } from "../../kube/client";
import type { ManagedContainer } from "./types";

/** An answer of 2xx that is not what was documented. */
export class StrangeAnswerError extends Error {
  override readonly name = "StrangeAnswerError";
}

/** The containers in the answer to a list. Go writes an empty list as null. */
export function containersIn(text: string): readonly ManagedContainer[] {
  const json = parsed(text);
  if (json === null) return [];
  if (!Array.isArray(json)) throw strange("no list of containers", text);
  return (json as readonly Json[]).map((item) => {
    if (typeof item === "string") return { name: item, said: {} };
    if (!isObject(item)) throw strange("no list of containers", text);
    const name = firstText(item, ["container_name", "containerName", "ContainerName", "name", "Name"]);
    const sandbox = firstText(item, ["sandbox_name", "sandboxName", "SandboxName", "sandbox", "Sandbox"]);
    return { ...(name ? { name } : {}), ...(sandbox ? { sandbox } : {}), said: item };
  });
}

/**
 * The id in the answer to a checkpoint: of `checkpoint_id`, or the answer itself, with or without quotes.
 * @param needed whether there must be one
 */
export function checkpointIdIn(text: string, needed: boolean): string | undefined {
  const json = parsedOrText(text);
  const id = unquoted(isObject(json) ? json["checkpoint_id"] : json);
  if (id !== undefined && ID.test(id)) return id;
  if (!needed && id === undefined && isObject(json)) return undefined;
  throw strange("no checkpoint_id", text);
}

/** The image in the answer to a checkpoint of a root file system. */
export function imageRefIn(text: string): string {
  const json = parsedOrText(text);
  const ref = unquoted(isObject(json) ? (json["image_ref"] ?? json["new_image_ref"]) : json);
  if (ref !== undefined && IMAGE.test(ref)) return ref;
  throw strange("no image reference", text);
}

/** A UUID as documented; any one word is taken, so that another form of id is not lost. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/;
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/;

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw strange("no JSON", text);
  }
}

function parsedOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Some servers quote a text that is JSON already. */
function unquoted(json: Json | undefined): string | undefined {
  if (typeof json !== "string") return undefined;
  const text = json.trim().replaceAll(/^["']+|["']+$/g, "");
  return text === "" ? undefined : text;
}

function firstText(object: JsonObject, names: readonly string[]): string | undefined {
  return names.map((name) => object[name]).find((value) => typeof value === "string" && value !== "") as
    | string
    | undefined;
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function strange(what: string, text: string): StrangeAnswerError {
  return new StrangeAnswerError(`the answer has ${what}: ${text.slice(0, 200) || "(empty)"}`);
}
