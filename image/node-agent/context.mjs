// Prepares the build context of the node agent image: CRIU's pinned packages, scripts, the program of the node, and files that
// the user adds.
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
import { basename, join } from "node:path";
import { download } from "../download.mjs";
import { bundledPackages } from "../sbom.mjs";
import { buildProgram } from "./runtime.mjs";

/** Options of `npm run image -- node-agent`, as for parseArgs of node:util. */
export const OPTIONS = {
  "cuda-plugin": { type: "string" },
  "cuda-checkpoint": { type: "string" },
  cedana: { type: "string" },
  agent: { type: "string" },
  runtime: { type: "string" },
};

const NVIDIA =
  "cuda-checkpoint is NVIDIA's and proprietary: read its licence (github.com/NVIDIA/cuda-checkpoint) before you push this image to a registry that others can read.";

/**
 * Writes the context to `directory`. Returns the build arguments, the packages for the SBOM and notes for the user.
 * @throws Error if a pinned file cannot be downloaded, Go is missing, or an added file is missing or invalid
 */
export async function prepare(directory, { root, version, versions, options, architecture }) {
  const { criu } = versions;
  const pins = criu.packages[architecture];
  if (!pins)
    throw new Error(
      `no packages are pinned for ${architecture}, only for ${Object.keys(criu.packages).join(", ")}`,
    );
  for (const name of ["assemble.sh", "criu.sh", "node-agent.sh"])
    copyFileSync(join(import.meta.dirname, name), join(directory, name));
  mkdirSync(join(directory, "debs"));
  const packages = [];
  for (const pin of pins) {
    const [mirror, snapshot] = addresses(criu, pin.path);
    const content = await download(pin.sha256, [mirror, snapshot]);
    writeFileSync(join(directory, "debs", basename(pin.path)), content);
    packages.push({
      name: pin.package,
      version: pin.version,
      licence: pin.licence,
      download: snapshot,
      sha256: pin.sha256,
      supplier: "Organization: Debian",
      purl: `pkg:deb/debian/${pin.package}@${encodeURIComponent(pin.version)}?arch=${architecture}`,
      comment: `Source: ${sourceOf(pin)}`,
    });
  }
  const lines = pins.flatMap((pin) =>
    pin.files.map((path) => `${pin.package}\t${basename(pin.path)}\t${path}\n`),
  );
  writeFileSync(join(directory, "packages.tsv"), lines.join(""));
  writeFileSync(join(directory, "criu-version"), criu.version);
  writeFileSync(join(directory, "SOURCES"), sources(pins));
  const added = copyAdded(join(directory, "added"), { root, options });
  packages.push(...added.packages);
  if (options.runtime === undefined)
    packages.push(
      ...buildProgram({
        root,
        version,
        architecture,
        file: join(directory, "added/cedana-node"),
        licences: join(directory, "added/licences"),
      }),
    );
  return {
    args: { LICENCES: licences(packages) },
    packages,
    notes: added.notes,
  };
}

/** Returns the addresses of a package: a mirror drops it when a newer version is published, the snapshots keep it. */
function addresses({ mirror, snapshots, snapshot }, path) {
  return [`${mirror}/${path}`, `${snapshots}/${snapshot}/${path}`];
}

const sourceOf = ({ source, sourceVersion }) =>
  `https://snapshot.debian.org/package/${source}/${encodeURIComponent(sourceVersion)}/`;

function sources(pins) {
  const lines = pins.map((pin) => `${pin.package} ${pin.version} (${pin.licence})\n  ${sourceOf(pin)}\n`);
  return `The programs and libraries of this tree are Debian's, unchanged. The address below each has its sources:\n\n${lines.join("")}`;
}

function licences(packages) {
  const all = packages
    .flatMap(({ licence }) => licence.split(" AND "))
    .filter((one) => one !== "NOASSERTION");
  return [...new Set(["Apache-2.0", ...all])]
    .map((each) => (each.includes(" OR ") ? `(${each})` : each))
    .join(" AND ");
}

/** Copies the files that the user adds, and the agent program. */
function copyAdded(directory, { root, options }) {
  mkdirSync(join(directory, "cedana"), { recursive: true });
  const packages = [];
  const notes = [];
  const add = (option, file, to, about) => {
    const bytes = readFileSync(file);
    if (about.elf && !bytes.subarray(0, 4).equals(Buffer.from("\x7fELF")))
      throw new Error(`--${option} ${file}: is not a Linux program or library (ELF)`);
    copyFileSync(file, join(directory, to));
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
      "CRIU's CUDA plugin runs cuda-checkpoint, which this image does not contain: the host must have it on PATH.",
    );
  if (options.cedana) {
    for (const name of readdirSync(options.cedana).toSorted((a, b) => (a < b ? -1 : 1)))
      if (statSync(join(options.cedana, name)).isFile())
        add("cedana", join(options.cedana, name), join("cedana", name), {
          elf: true,
          licence: "LicenseRef-Cedana",
          comment: "Added from Cedana",
        });
    notes.push(
      "Cedana's daemon is AGPL-3.0 and its plugins are proprietary: distribute this image only as their licences allow.",
    );
  }
  if (options.runtime === "none")
    notes.push("The image has no host service and no OCI runtime wrapper: the engine criu does not work.");
  else if (options.runtime)
    add("runtime", options.runtime, "cedana-node", {
      elf: true,
      licence: "Apache-2.0",
      comment: "Host service and OCI runtime wrapper",
    });
  const agent = options.agent ?? join(root, "dist/agent.js");
  if (options.agent || existsSync(agent))
    add("agent", agent, "agent.js", { licence: "Apache-2.0", comment: "The agent program" });
  // The build writes the notices next to the program; a program of the user can lack them.
  const notices = agent.replace(/\.js$/, ".THIRD-PARTY-NOTICES.txt");
  if (existsSync(notices)) {
    copyFileSync(notices, join(directory, "agent.THIRD-PARTY-NOTICES.txt"));
    packages.push(...bundledPackages(readFileSync(notices, "utf8")));
  }
  return { packages, notes };
}
