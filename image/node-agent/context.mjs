// The build context of the node agent image: CRIU's packages by their pins, our scripts, and what the user adds.
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundledPackages } from "../lib/bundled.mjs";
import { download } from "../lib/download.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Options of `npm run image -- node-agent`, as for parseArgs of node:util. */
export const OPTIONS = {
  "cuda-plugin": { type: "string" },
  "cuda-checkpoint": { type: "string" },
  cedana: { type: "string" },
  agent: { type: "string" },
};

const NVIDIA = `cuda-checkpoint is NVIDIA's and not free software: its licence comes with it (github.com/NVIDIA/cuda-checkpoint). Read it
before you push this image to a registry that others can read.`;

/**
 * Fills the folder. Returns the build arguments, the packages for the SBOM and what the user has to be told.
 * @throws Error if a pinned file cannot be had, or an added file is missing or is not what it should be
 */
export async function prepare(folder, { root, versions, options, architecture }) {
  const { criu } = versions;
  const pins = criu.packages[architecture];
  if (!pins)
    throw new Error(
      `no packages are pinned for ${architecture}: only for ${Object.keys(criu.packages).join(", ")}`,
    );
  for (const name of ["assemble.sh", "criu.sh", "node-agent.sh"])
    copyFileSync(join(here, name), join(folder, name));
  mkdirSync(join(folder, "debs"));
  const packages = [];
  for (const pin of pins) {
    const [now, always] = addresses(criu, pin.path);
    writeFileSync(join(folder, "debs", basename(pin.path)), await download(pin.sha256, [now, always]));
    packages.push({
      name: pin.package,
      version: pin.version,
      licence: pin.licence,
      download: always,
      sha256: pin.sha256,
      supplier: "Organization: Debian",
      purl: `pkg:deb/debian/${pin.package}@${encodeURIComponent(pin.version)}?arch=${architecture}`,
      comment: `Source: ${sourceOf(pin)}`,
    });
  }
  const lines = pins.flatMap((pin) =>
    pin.files.map((path) => `${pin.package}\t${basename(pin.path)}\t${path}\n`),
  );
  writeFileSync(join(folder, "packages.tsv"), lines.join(""));
  writeFileSync(join(folder, "criu-version"), criu.version);
  writeFileSync(join(folder, "SOURCES"), sources(pins));
  const added = addTo(join(folder, "added"), { root, options });
  return {
    args: { LICENCES: licences([...packages, ...added.packages]) },
    packages: [...packages, ...added.packages],
    notes: added.notes,
  };
}

/** Debian's mirrors drop a package when a newer one comes; its snapshots keep it for good. */
function addresses({ mirror, snapshots, snapshot }, path) {
  return [`${mirror}/${path}`, `${snapshots}/${snapshot}/${path}`];
}

const sourceOf = ({ source, sourceVersion }) =>
  `https://snapshot.debian.org/package/${source}/${encodeURIComponent(sourceVersion)}/`;

function sources(pins) {
  const lines = pins.map((pin) => `${pin.package} ${pin.version} (${pin.licence})\n  ${sourceOf(pin)}\n`);
  return `The programs and libraries of this tree are Debian's, unchanged. Their sources, at the address below each:\n\n${lines.join("")}`;
}

function licences(packages) {
  const all = packages
    .flatMap(({ licence }) => licence.split(" AND "))
    .filter((one) => one !== "NOASSERTION");
  return [...new Set(["Apache-2.0", ...all])]
    .map((each) => (each.includes(" OR ") ? `(${each})` : each))
    .join(" AND ");
}

/** What is not ours to hand on, and the agent program. */
function addTo(folder, { root, options }) {
  mkdirSync(join(folder, "cedana"), { recursive: true });
  const packages = [];
  const notes = [];
  const add = (option, file, to, about) => {
    const bytes = readFileSync(file);
    if (about.elf && !bytes.subarray(0, 4).equals(Buffer.from("\x7fELF")))
      throw new Error(`--${option} ${file}: is not a program or library of Linux (ELF)`);
    copyFileSync(file, join(folder, to));
    packages.push({
      name: basename(to),
      version: "added",
      licence: about.licence,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      comment: about.comment,
    });
  };
  const cuda = options["cuda-checkpoint"];
  if (options["cuda-plugin"])
    add("cuda-plugin", options["cuda-plugin"], "cuda_plugin.so", {
      elf: true,
      licence: "GPL-2.0-only",
      comment: "CRIU's CUDA plugin",
    });
  if (cuda) {
    add("cuda-checkpoint", cuda, "cuda-checkpoint", {
      elf: true,
      licence: "LicenseRef-NVIDIA",
      comment: "NVIDIA's cuda-checkpoint",
    });
    notes.push(NVIDIA);
  }
  if (options["cuda-plugin"] && !cuda)
    notes.push(
      "CRIU's CUDA plugin runs cuda-checkpoint, which is not in this image: it must be on the PATH of the host.",
    );
  if (options.cedana) {
    for (const name of readdirSync(options.cedana).toSorted((a, b) => (a < b ? -1 : 1)))
      if (statSync(join(options.cedana, name)).isFile())
        add("cedana", join(options.cedana, name), join("cedana", name), {
          elf: true,
          licence: "LicenseRef-Cedana",
          comment: "Cedana's",
        });
    notes.push(
      "Cedana's daemon is AGPL-3.0 and its plugins are not free software: hand this image on only as their licences allow.",
    );
  }
  const agent = options.agent ?? join(root, "dist/agent.js");
  if (options.agent || existsSync(agent))
    add("agent", agent, "agent.js", { licence: "Apache-2.0", comment: "The agent program" });
  // The build writes it beside the program; one of the user's own may have none.
  const notices = agent.replace(/\.js$/, ".THIRD-PARTY-NOTICES.txt");
  if (existsSync(notices)) {
    copyFileSync(notices, join(folder, "agent.THIRD-PARTY-NOTICES.txt"));
    packages.push(...bundledPackages(readFileSync(notices, "utf8")));
  }
  return { packages, notes };
}
