// Downloads files by their sha256 and caches them.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "cedana-cdk/image");
const TIMEOUT_MS = 120_000;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/**
 * Returns the bytes with this sha256, from the cache or from the first address that has them.
 * @throws Error with the result of each address
 */
export async function download(sum, addresses) {
  const cached = join(CACHE, sum);
  if (existsSync(cached)) {
    const bytes = readFileSync(cached);
    if (sha256(bytes) === sum) return bytes;
  }
  const failures = [];
  for (const address of addresses) {
    try {
      const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const bytes = Buffer.from(await response.arrayBuffer());
      if (response.ok && sha256(bytes) === sum) {
        store(cached, bytes);
        return bytes;
      }
      failures.push(
        `${address}: ${response.ok ? `wrong sha256 ${sha256(bytes)}` : `HTTP ${response.status}`}`,
      );
    } catch (error) {
      failures.push(`${address}: ${error.cause?.message ?? error.message}`);
    }
  }
  throw new Error(`no address has the file with sha256 ${sum}:\n  ${failures.join("\n  ")}`);
}

function store(file, bytes) {
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, bytes);
  renameSync(`${file}.${process.pid}`, file);
}
