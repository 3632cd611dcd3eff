/** The files of docs/try-it.md for a node that this toolkit did not configure. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { CRIU_HANDLER } from "../../../../config/engines/criu";
import { renderNodeService } from "../../../../render/user-data/node-service";

const file = (name: string) => join(__dirname, "../../../../docs/try-it", name);

test("node-service.sh is the boot script of the user data, with the runc of the node", () => {
  const text = renderNodeService({ runtimeBinary: '"$(command -v runc)"' });
  if (process.env["UPDATE_GOLDEN"]) writeFileSync(file("node-service.sh"), text);
  expect(readFileSync(file("node-service.sh"), "utf8")).toBe(text);
});

test("containerd.toml has the handler of the engine criu", () => {
  expect(parse(readFileSync(file("containerd.toml"), "utf8"))).toEqual({
    version: 3,
    plugins: {
      "io.containerd.cri.v1.runtime": {
        containerd: {
          runtimes: {
            [CRIU_HANDLER.name]: {
              runtime_type: CRIU_HANDLER.runtimeType,
              pod_annotations: CRIU_HANDLER.podAnnotations,
              options: { BinaryName: CRIU_HANDLER.binary, SystemdCgroup: true },
            },
          },
        },
      },
    },
  });
});
