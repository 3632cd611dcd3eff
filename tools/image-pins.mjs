// Pins CRIU and its libraries anew: `node tools/image-pins.mjs [FILE]` writes FILE, else image/versions.json itself, from the suite
// that image/versions.json names.
// Needs apt, dpkg-deb and readelf (Debian or Ubuntu; package debian-archive-keyring).
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pin } from "../image/lib/debian.mjs";
import { LICENCES } from "../image/lib/licences.mjs";

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), "image/versions.json");
const versions = JSON.parse(readFileSync(file, "utf8"));
const { criu } = versions["node-agent"];
for (const architecture of Object.keys(criu.packages)) {
  const { released, pins } = pin({
    name: "criu",
    program: "usr/sbin/criu",
    suite: criu.suite,
    mirror: criu.mirror,
    architecture,
    licences: LICENCES,
  });
  criu.snapshot = released;
  criu.packages[architecture] = pins;
}
versions["node-agent"].created = criu.snapshot.replace(/^(....)(..)(..)T.*/, "$1-$2-$3T00:00:00Z");
criu.version = criu.packages.amd64.find((each) => each.package === "criu").version.replace(/-.*/, "");
writeFileSync(process.argv[2] ?? file, `${JSON.stringify(versions, undefined, 2)}\n`);
console.log(`CRIU ${criu.version} of ${criu.suite}, ${criu.snapshot}`);
