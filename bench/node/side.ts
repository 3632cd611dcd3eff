/**
 * Installs the engine of the checkout two directories above this bundle on a test bed, and removes it when the benchmark
 * disconnects.
 */
import { openEngine } from "../../testbed/node/engine";
import { sideKind, type SideReady } from "./sides";

async function main(): Promise<void> {
  const kind = sideKind(process.argv[2]);
  const changes = { quota: "16Gi", reserve: "1Gi" };
  const engine = await openEngine({ kind, ...changes });
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
