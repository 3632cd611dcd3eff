// Files by their sha256, from the first place that has them, kept for the next build.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "cedana-cdk/image");
const TIMEOUT_MS = 120_000;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/**
 * The bytes with this sha256. Addresses are tried in order; what one gives is taken only if it has the sum.
 * @throws Error that names each address and what it answered
 */
export async function download(sum, addresses) {
  const kept = join(CACHE, sum);
  if (existsSync(kept)) {
    const bytes = readFileSync(kept);
    if (sha256(bytes) === sum) return bytes;
  }
  const answers = [];
  for (const address of addresses) {
    try {
      const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const bytes = Buffer.from(await response.arrayBuffer());
      if (response.ok && sha256(bytes) === sum) {
        keep(kept, bytes);
        return bytes;
      }
      answers.push(
        `${address}: ${response.ok ? `another file, sha256 ${sha256(bytes)}` : `HTTP ${response.status}`}`,
      );
    } catch (error) {
      answers.push(`${address}: ${error.cause?.message ?? error.message}`);
    }
  }
  throw new Error(`no place has the file with sha256 ${sum}:\n  ${answers.join("\n  ")}`);
}

function keep(file, bytes) {
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, bytes);
  renameSync(`${file}.${process.pid}`, file);
}
