/**
 * Installs the engine of a checkout on a test bed by the checkout's own files of testbed/, and removes it when the benchmark
 * disconnects. It is bundled in the place of a file of the checkout's bench/node: it may import nothing else.
 */
import { openEngine } from "../../testbed/node/engine";
import type { SideKind, SideReady } from "./sides";

async function main(): Promise<void> {
  const kind = process.argv[2] as SideKind;
  const restore = kind === "criu lazy" ? { restore: { lazy: true } } : {};
  const engine = await openEngine({ quota: "16Gi", reserve: "1Gi", ...restore });
  process.on("disconnect", () => {
    engine.close();
    process.exit();
  });
  const ready: SideReady = { folder: engine.folder };
  process.send?.(ready);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
