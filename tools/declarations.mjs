// Documents the inputs in the declarations that tsc wrote: an interface that is inferred from a schema shows an editor
// neither descriptions nor defaults, so each is replaced by the interface that its schema describes.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const require = createRequire(import.meta.url);
const INFERRED =
  /export (?:interface (\w+) extends v\.InferInput<typeof (\w+)> \{\s*\}|type (\w+) = v\.InferInput<typeof (\w+)>;)/g;

/** Replaces every inferred input type in the declarations below `dist`. */
export async function documentInputs(root, dist) {
  const { inputSchemas, interfaceOf } = await generator(root);
  const inputs = new Map();
  for (const file of declarations(dist)) {
    for (const [, extending, its, alias, whose] of readFileSync(file, "utf8").matchAll(INFERRED)) {
      const [name, schemaName] = [extending ?? alias, its ?? whose];
      const schema = require(file.replace(/\.d\.ts$/, ".js"))[schemaName];
      if (inputs.has(name)) throw new Error(`two inputs are called ${name}`);
      if (schema === undefined) throw new Error(`${schemaName} of ${name} is not exported`);
      inputs.set(name, { file, schema });
    }
  }
  const schemas = inputSchemas(Object.fromEntries([...inputs].map(([name, { schema }]) => [name, schema])));
  for (const file of new Set([...inputs.values()].map((input) => input.file))) {
    const reference = (name) => {
      const target = inputs.get(name).file;
      if (target === file) return name;
      const path = relative(dirname(file), target).replace(/\.d\.ts$/, "");
      return `import("${path.startsWith(".") ? path : `./${path}`}").${name}`;
    };
    const text = readFileSync(file, "utf8").replace(INFERRED, (_, extending, its, alias) => {
      const name = extending ?? alias;
      return interfaceOf(name, schemas[name], { schemas, reference });
    });
    writeFileSync(file, text);
  }
}

function declarations(dist) {
  return readdirSync(dist, { recursive: true })
    .filter((path) => path.endsWith(".d.ts"))
    .map((path) => join(dist, path));
}

/** Loads the generator, which is TypeScript. */
async function generator(root) {
  const outfile = join(mkdtempSync(join(tmpdir(), "cedana-cdk-")), "generator.mjs");
  const contents = `export * from "./cli/schema/input-schema"; export * from "./cli/schema/declaration";`;
  await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile,
  });
  try {
    return await import(pathToFileURL(outfile));
  } finally {
    rmSync(dirname(outfile), { recursive: true });
  }
}
