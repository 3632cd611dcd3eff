import type { Json } from "../../http";

/** Places for texts and values. Each has two: one for what was used again, and one for what was seen last. */
const PLACES = 1 << 13;
/** Longer strings are rarely equal. */
const MAX_LENGTH = 256;

/**
 * Returns equal strings and values as one: objects of a kind repeat reasons, messages, images and nodes, of which parsed JSON has
 * a copy for each object. Its memory is bounded: what was not used again makes room for others. The result must not be changed.
 */
export class Interner {
  /** What was used at least twice. Texts that only one object has, such as UIDs, never replace it. */
  private readonly used: unknown[] = Array.from({ length: PLACES });
  private readonly seen: unknown[] = Array.from({ length: PLACES });

  /** Returns the string, as it was first seen. */
  text(text: string): string {
    return text.length > MAX_LENGTH ? text : this.one(text, hashOf(text));
  }

  /**
   * Replaces the strings in JSON by those that were first seen, and so changes no value.
   * @param json not used by others, such as the parsed body of a response
   * @returns the same JSON
   */
  strings<T extends Json | undefined>(json: T): T {
    if (typeof json === "string") return this.text(json) as T;
    if (typeof json !== "object" || json === null) return json;
    // A copy would be garbage for each of many thousand objects.
    const fields = json as unknown as Record<string, Json>;
    for (const field in fields) {
      const value = fields[field] as Json;
      if (typeof value === "string" || typeof value === "object") fields[field] = this.strings(value);
    }
    return json;
  }

  /** Returns JSON as one value for all equal ones. For values that many objects have. */
  value<T extends Json | undefined>(json: T): T {
    if (typeof json === "string") return this.text(json) as T;
    return typeof json === "object" && json !== null ? this.one(json, hashOf(json)) : json;
  }

  private one<T extends Json>(value: T, hash: number): T {
    const place = hash & (PLACES - 1);
    const { used, seen } = this;
    if (isEqual(used[place], value)) return used[place] as T;
    if (isEqual(seen[place], value)) {
      const found = seen[place] as T;
      seen[place] = used[place];
      used[place] = found;
      return found;
    }
    seen[place] = value;
    return value;
  }
}

/** Hashes a string by its length and six of its characters, the last ones included: names differ at their end. */
function hashOf(value: Json | undefined): number {
  if (typeof value === "string") {
    const end = value.length - 1;
    let hash = value.length;
    for (const at of [end, end - 1, end - 2, end >> 1, end >> 2, 0])
      hash = Math.imul(hash, 31) + value.charCodeAt(at < 0 ? 0 : at);
    return hash ^ (hash >>> 13);
  }
  if (typeof value === "number") return value | 0;
  if (typeof value !== "object" || value === null) return value === true ? 1 : 2;
  let hash = 7;
  for (const field in value as Record<string, Json>)
    hash = Math.imul(hash, 31) + hashOf((value as Record<string, Json>)[field]);
  return hash ^ (hash >>> 13);
}

function isEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>];
  let count = 0;
  for (const field in left) {
    if (!Object.hasOwn(right, field) || !isEqual(left[field], right[field])) return false;
    count++;
  }
  for (const field in right) if (Object.hasOwn(right, field)) count--;
  return count === 0;
}
