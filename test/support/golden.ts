import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./sources";

/**
 * Compares text with a file of test/golden. `UPDATE_GOLDEN=1` writes the file instead; review the diff before you commit it.
 */
export function expectGolden(path: string, text: string): void {
  const file = join(ROOT, "test/golden", path);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
}
