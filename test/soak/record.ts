import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Results of a soak run, stored in a file. An interrupted run continues from it. */
export class SoakRecord<T> {
  readonly #file: string;
  readonly done: T[];

  constructor(name: string) {
    const folder = process.env["CEDANA_SOAK_FOLDER"] ?? join(__dirname, "../../out/soak");
    this.#file = join(folder, `${name}.json`);
    this.done = existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, "utf8")) as T[]) : [];
  }

  add(result: T): void {
    this.done.push(result);
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(this.#file, `${JSON.stringify(this.done, null, 1)}\n`);
  }
}

/** Reads a number from the environment. @throws Error if it is invalid */
export function numberOf(variable: string, otherwise: number): number {
  const given = process.env[variable];
  const number = given === undefined ? otherwise : Number(given);
  if (!Number.isFinite(number) || number <= 0)
    throw new Error(`${variable} is not a number above 0: ${given}`);
  return number;
}

/** Returns the slope of a least-squares line through points. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))];
  const over = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0);
  return over / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
}
