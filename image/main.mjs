// Builds an image of this repository: npm run image -- controller|node-agent [--tag NAME:TAG] [--base IMAGE] ... (docs/image).
// Uses the first of buildah, podman and docker that works. The build context holds the files of the image and nothing else.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { buildImage, ENGINES, findEngine } from "./build.mjs";
import * as controller from "./controller/context.mjs";
import * as nodeAgent from "./node-agent/context.mjs";

const IMAGES = { controller, "node-agent": nodeAgent };
const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const COMMON_OPTIONS = {
  tag: { type: "string" },
  base: { type: "string" },
  engine: { type: "string" },
  arch: { type: "string" },
  out: { type: "string" },
  context: { type: "string" },
  versions: { type: "string" },
};

const root = dirname(import.meta.dirname);
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/** @throws Error with a message for the user */
async function main(argv) {
  const names = Object.keys(IMAGES);
  const name = argv.find((each) => names.includes(each));
  if (name === undefined)
    throw new Error(`no image was named: npm run image -- ${names.join("|")} (docs/image)`);
  const { OPTIONS, prepare } = IMAGES[name];
  const { values: options, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { ...COMMON_OPTIONS, ...OPTIONS },
  });
  if (positionals.length !== 1) throw new Error(`one image at a time, given: ${positionals.join(" ")}`);
  const json = (path) => JSON.parse(readFileSync(path, "utf8"));
  const versions = json(options.versions ?? join(root, "image/versions.json"))[name];
  const { version } = json(join(root, "package.json")).config;
  const architecture = options.arch ?? ARCHITECTURES[arch()];

  const startMs = Date.now();
  const context = options.context ?? mkdtempSync(join(tmpdir(), `cedana-image-${name}-`));
  mkdirSync(context, { recursive: true });
  try {
    const prepared = await prepare(context, { root, version, versions, options, architecture });
    copyFileSync(join(root, "LICENSE"), join(context, "LICENSE"));
    if (options.context) {
      print(`the context of ${name} is in ${context}; nothing was built`);
      return;
    }
    const engine = findEngine(options.engine);
    if (!engine) throw new Error(missingEngine(options.engine));
    const image = {
      name,
      version,
      tag: options.tag ?? `cedana-${name}:${version}`,
      base: options.base ?? versions.base,
      created: creationTime(versions),
      architecture,
    };
    const built = buildImage(engine, {
      image,
      context,
      containerfile: join(root, "image", name, "Containerfile"),
      args: prepared.args,
      packages: prepared.packages,
      out: options.out ?? join(root, "out/image"),
    });
    print(
      `${image.tag} for ${architecture}, built by ${engine} in ${((Date.now() - startMs) / 1000).toFixed(0)} s
  digest   ${built.digest}
  config   ${built.config}
  size     ${(built.bytes / 1e6).toFixed(1)} MB to pull
  archive  ${relative(process.cwd(), built.archive)}
  SBOM     ${relative(process.cwd(), built.sbom)}`,
    );
    for (const note of prepared.notes ?? []) print(`note: ${note}`);
    print("Push it to your registry. It was not published.");
  } finally {
    if (!options.context) rmSync(context, { recursive: true, force: true });
  }
}

function missingEngine(name) {
  const reason = name ? `${name} is missing or does not work` : `none of ${ENGINES.join(", ")} works here`;
  return `no container engine: ${reason}. Nothing was built. With --context DIRECTORY the build context is written for another builder.`;
}

/** Returns SOURCE_DATE_EPOCH, else the day of the pins, else that of the commit. The clock would change the bytes. */
function creationTime(versions) {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (!epoch && versions.created) return versions.created;
  const seconds =
    epoch || execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" });
  return new Date(Number(seconds) * 1000).toISOString().replace(".000", "");
}

function print(text) {
  process.stdout.write(`${text}\n`);
}
