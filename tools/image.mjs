// Builds an image of this repository: npm run image -- controller|node-agent [--tag NAME:TAG] [--base IMAGE] ... (docs/image).
// With buildah, podman or docker, whichever is there and works. The context is a folder of its own, with the files of the image
// and nothing else.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import * as controller from "../image/controller/context.mjs";
import { main } from "../image/lib/command.mjs";
import * as nodeAgent from "../image/node-agent/context.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
try {
  await main(root, { controller, "node-agent": nodeAgent }, process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
