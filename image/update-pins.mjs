// Updates the pins of CRIU and its libraries from the suite that image/versions.json names:
//
//   node image/update-pins.mjs [FILE]     writes FILE; default: image/versions.json
//
// Needs apt, dpkg-deb and readelf (Debian or Ubuntu; package debian-archive-keyring).
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pin } from "./debian.mjs";

/**
 * SPDX licences by Debian source package: of the libraries, without tools and tests. Taken from each package's copyright
 * file, which is copied into the image unchanged.
 */
const LICENCES = {
  criu: "GPL-2.0-only",
  glibc: "LGPL-2.1-or-later",
  gmp: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  gnutls28: "LGPL-2.1-or-later",
  iptables: "GPL-2.0-only",
  jansson: "MIT",
  libbsd: "BSD-3-Clause AND BSD-2-Clause AND ISC",
  libffi: "MIT",
  libidn2: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  libmd: "BSD-3-Clause AND BSD-2-Clause AND ISC AND Beerware",
  libmnl: "LGPL-2.1-or-later",
  libnet: "BSD-2-Clause AND BSD-3-Clause",
  libnftnl: "GPL-2.0-or-later",
  libnl3: "LGPL-2.1-only",
  "libtasn1-6": "LGPL-2.1-or-later",
  libunistring: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  nettle: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  nftables: "GPL-2.0-only",
  "p11-kit": "BSD-3-Clause",
  "protobuf-c": "BSD-2-Clause",
  "util-linux": "BSD-3-Clause",
};

const file = join(import.meta.dirname, "versions.json");
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
process.stdout.write(`CRIU ${criu.version} of ${criu.suite}, ${criu.snapshot}\n`);
