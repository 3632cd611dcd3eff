import type { Json } from "../../http";
import { mapFields } from "./json";

/** Strings and values that one generation keeps. Two generations bound the memory: what was not used in the last one is dropped. */
const GENERATION = 20_000;
/** Longer strings are rarely equal. */
const MAX_LENGTH = 256;

/**
 * Returns equal strings and values as one: objects of a kind repeat reasons, messages, images and nodes, of which parsed JSON has
 * a copy for each object. The result must not be changed.
 */
export class Interner {
  private recent = new Map<string, unknown>();
  private older = new Map<string, unknown>();

  /** Returns the string, as it was first seen. */
  text(text: string): string {
    return text.length > MAX_LENGTH ? text : this.one(text, text);
  }

  /** Returns JSON with its strings interned. */
  strings<T extends Json | undefined>(json: T): T {
    if (typeof json === "string") return this.text(json) as T;
    if (Array.isArray(json)) return json.map((one) => this.strings(one as Json)) as unknown as T;
    return mapFields(json, (value) => this.strings(value));
  }

  /** Returns JSON as one value for all equal ones. For values that many objects have. */
  value<T extends Json | undefined>(json: T): T {
    if (typeof json !== "object" || json === null) return this.strings(json);
    // No string of an object begins like this.
    return this.one(`\0${JSON.stringify(json)}`, json);
  }

  private one<T>(key: string, value: T): T {
    const known = this.recent.get(key);
    if (known !== undefined) return known as T;
    const kept = (this.older.get(key) as T | undefined) ?? value;
    if (this.recent.size >= GENERATION) {
      this.older = this.recent;
      this.recent = new Map();
    }
    this.recent.set(key, kept);
    return kept;
  }
}
