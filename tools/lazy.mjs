// Libraries that a framework loads whenever it starts and needs in rare cases only. In our bundles they are loaded when
// they are used: yaml takes 35 ms and archiver 60 ms of a start of 150 ms (docs/performance.md).
import { readFileSync } from "node:fs";

const LAZY = [
  {
    file: /[\\/]node_modules[\\/]cdk8s[\\/]lib[\\/]yaml\.js$/,
    line: 'const YAML = __importStar(require("yaml"));',
    by: lazyObject,
  },
  {
    file: /[\\/]node_modules[\\/]cdktf[\\/]lib[\\/]private[\\/]fs\.js$/,
    line: 'const archiver = require("archiver");',
    by: lazyFunction,
  },
  {
    file: /[\\/]node_modules[\\/]commander[\\/]lib[\\/]command\.js$/,
    line: "const childProcess = require('node:child_process');",
    by: () => 'const childProcess = new Proxy({}, { get: (_, key) => require("node:child_process")[key] });',
  },
];

function lazyObject() {
  return 'const YAML = new Proxy({}, { get: (_, key) => require("yaml")[key] });';
}

function lazyFunction() {
  return 'const archiver = (...args) => require("archiver")(...args);';
}

/** An esbuild plugin. Fails if a line is no longer there, so that nobody believes it still works. */
export const lazy = {
  name: "lazy",
  setup(build) {
    for (const { file, line, by } of LAZY) {
      build.onLoad({ filter: file }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!text.includes(line)) return { errors: [{ text: `${path} no longer has the line: ${line}` }] };
        return { contents: text.replace(line, by), loader: "js" };
      });
    }
  },
};
