// npm run image -- NAME: the command line of image builds.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { buildImage } from "./build.mjs";
import { ENGINES, findEngine } from "./engines.mjs";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const COMMON = {
  tag: { type: "string" },
  base: { type: "string" },
  engine: { type: "string" },
  arch: { type: "string" },
  out: { type: "string" },
  context: { type: "string" },
  versions: { type: "string" },
};

/**
 * @param images by name, what makes its context: `{ OPTIONS, prepare }`, as in image/node-agent/context.mjs
 * @throws Error with what to tell the user
 */
export async function main(root, images, argv) {
  const names = Object.keys(images);
  const name = argv.find((each) => names.includes(each));
  if (name === undefined) throw new Error(`which image? npm run image -- ${names.join("|")} (docs/image)`);
  const { OPTIONS, prepare } = images[name];
  const { values: options, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { ...COMMON, ...OPTIONS },
  });
  if (positionals.length !== 1) throw new Error(`one image at a time, given: ${positionals.join(" ")}`);
  const json = (path) => JSON.parse(readFileSync(path, "utf8"));
  const versions = json(options.versions ?? join(root, "image/versions.json"))[name];
  const { version } = json(join(root, "package.json")).config;
  const architecture = options.arch ?? ARCHITECTURES[arch()];

  const begin = Date.now();
  const context = options.context ?? mkdtempSync(join(tmpdir(), `cedana-image-${name}-`));
  mkdirSync(context, { recursive: true });
  try {
    const prepared = await prepare(context, { root, version, versions, options, architecture });
    copyFileSync(join(root, "LICENSE"), join(context, "LICENSE"));
    if (options.context) {
      say(`the context of ${name} is in ${context}; nothing was built`);
      return;
    }
    const engine = findEngine(options.engine);
    if (!engine)
      throw new Error(
        `no container engine: ${options.engine ? `${options.engine} is not there or does not work` : `none of ${ENGINES.join(", ")} is there and works`}. ` +
          "Nothing was built. With --context FOLDER the files are laid out for a builder of your own.",
      );
    const image = {
      name,
      version,
      tag: options.tag ?? `cedana-${name}:${version}`,
      base: options.base ?? versions.base,
      created: created(root, versions),
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
    say(
      `${image.tag} for ${architecture}, built by ${engine} in ${((Date.now() - begin) / 1000).toFixed(0)} s
  digest   ${built.digest}
  config   ${built.config}
  size     ${(built.bytes / 1e6).toFixed(1)} MB to pull
  archive  ${relative(process.cwd(), built.archive)}
  SBOM     ${relative(process.cwd(), built.sbom)}`,
    );
    for (const note of prepared.notes ?? []) say(`note: ${note}`);
    say("Push it to a registry of yours; nothing is published.");
  } finally {
    if (!options.context) rmSync(context, { recursive: true, force: true });
  }
}

/** SOURCE_DATE_EPOCH, or the day of the pins, or of the commit: never the clock. */
function created(root, versions) {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (epoch) return new Date(Number(epoch) * 1000).toISOString().replace(".000", "");
  if (versions.created) return versions.created;
  const commit = execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" });
  return new Date(Number(commit) * 1000).toISOString().replace(".000", "");
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
