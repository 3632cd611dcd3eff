import { InvalidInputError } from "../../config/schema";
import { isLiteral, isPlain, literal, quoted } from "./scalar";

/** Deeper than any manifest; a value that refers to itself ends here and not in a stack overflow. */
const MAX_DEPTH = 200;
/** An implicit key may have 1024 characters (YAML 1.2, 8.2.2). */
const MAX_IMPLICIT_KEY = 1000;
/** With the flag u, a surrogate is one that stands alone. */
const HALF_PAIR = /\p{Surrogate}/u;

/**
 * Plain data (what JSON can hold) as one YAML document that YAML 1.1 and 1.2 readers read alike. Keys stay in the order
 * given; properties that are undefined are left out; text of several lines becomes a block literal. The same data is
 * always the same text. Takes time linear in the size of the data.
 * @throws InvalidInputError, with the path, for what has no place in a manifest: functions, dates, NaN, bigint, text
 * with half a surrogate pair, cycles.
 */
export function toYaml(data: unknown): string {
  return new Emitter().value(data, "", false).slice(1);
}

/** Several documents, each but the first after a `---`. */
export function toYamlStream(documents: readonly unknown[]): string {
  return documents.map(toYaml).join("---\n");
}

class Emitter {
  /** Where we are, for errors. */
  private readonly path: (string | number)[] = [];

  /**
   * What follows `key:` or `-`: a space and a scalar, or (unless `compact`, after a dash) a new line and a block.
   * Ends with a line feed.
   */
  value(data: unknown, indent: string, compact: boolean): string {
    switch (typeof data) {
      case "string":
        return ` ${this.text(data, indent)}\n`;
      case "boolean":
        return data ? " true\n" : " false\n";
      case "number":
        return ` ${this.number(data)}\n`;
      case "object":
        if (data === null) return " null\n";
        if (this.path.length > MAX_DEPTH)
          this.refuse(`is nested deeper than ${MAX_DEPTH} levels`, "a cycle?");
        if (Array.isArray(data)) return this.list(data, indent, compact);
        return this.mapping(data, indent, compact);
      default:
        return this.refuse(`is a ${typeof data}, which a manifest cannot hold`);
    }
  }

  private list(items: readonly unknown[], indent: string, compact: boolean): string {
    if (items.length === 0) return " []\n";
    let text = "";
    for (let index = 0; index < items.length; index += 1) {
      this.path.push(index);
      const lead = index === 0 && compact ? " " : index === 0 ? `\n${indent}` : indent;
      text += `${lead}-${this.value(items[index], `${indent}  `, true)}`;
      this.path.pop();
    }
    return text;
  }

  private mapping(data: object, indent: string, compact: boolean): string {
    const prototype = Object.getPrototypeOf(data) as object | null;
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      this.refuse(`is a ${prototype.constructor.name}, which a manifest cannot hold`);
    }
    let text = "";
    for (const [key, item] of Object.entries(data) as [string, unknown][]) {
      if (item === undefined) continue;
      this.path.push(key);
      const lead = text !== "" ? indent : compact ? " " : `\n${indent}`;
      text += `${lead}${this.key(key, indent)}${this.value(item, `${indent}  `, false)}`;
      this.path.pop();
    }
    return text === "" ? " {}\n" : text;
  }

  private key(key: string, indent: string): string {
    const text = isPlain(key) ? key : quoted(this.whole(key));
    return text.length > MAX_IMPLICIT_KEY ? `? ${text}\n${indent}:` : `${text}:`;
  }

  private text(text: string, indent: string): string {
    if (isPlain(text)) return text;
    this.whole(text);
    return isLiteral(text) ? literal(text, indent === "" ? "  " : indent) : quoted(text);
  }

  private whole(text: string): string {
    return HALF_PAIR.test(text) ? this.refuse("has half of a surrogate pair, which is no text") : text;
  }

  /** YAML 1.1 takes an exponent only after a point: 1e+21 would be a string there. */
  private number(value: number): string {
    if (!Number.isFinite(value)) return this.refuse(`is ${value}, which a manifest cannot hold`);
    const text = Object.is(value, -0) ? "0" : String(value);
    const exponent = text.indexOf("e");
    return exponent < 0 || text.includes(".") ? text : `${text.slice(0, exponent)}.0${text.slice(exponent)}`;
  }

  private refuse(message: string, remedy?: string): never {
    throw new InvalidInputError("YAML output", [
      {
        code: "not-plain-data",
        path: this.path.slice(0, 12),
        message,
        allowed: "mappings, lists, text, finite numbers, true, false and null",
        ...(remedy === undefined ? {} : { remedy }),
      },
    ]);
  }
}
