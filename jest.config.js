const { availableParallelism } = require("node:os");
const { name, exports: entries } = require("./package.json");

/** Timeouts only end what hangs: no test passes or fails by its speed. */
const MINUTE = 60_000;
/** Not for the node tier: what it mounts there must not be removed with the directory. */
const temporaryDirectory = {
  globalSetup: "<rootDir>/test/support/temporary-directory.cjs",
  globalTeardown: "<rootDir>/test/support/remove-temporary-directory.cjs",
};
const TIERS = {
  /** Node alone: no build, no other program. */
  fast: {
    testMatch: ["<rootDir>/test/unit/**/!(*.long).test.ts"],
    testTimeout: MINUTE,
    ...temporaryDirectory,
  },
  /** The fast tier, and `*.long.test.ts`: long property and crash tests, and the built programs. */
  full: { testMatch: ["<rootDir>/test/unit/**/*.test.ts"], testTimeout: 5 * MINUTE, ...temporaryDirectory },
  /** Real programs: Terraform, Kubernetes, helm. */
  integration: {
    testMatch: ["<rootDir>/test/integration/**/*.test.ts"],
    testTimeout: 5 * MINUTE,
    maxWorkers: 1,
    ...temporaryDirectory,
  },
  /** Images, CRIU and a real node, as root. */
  node: { testMatch: ["<rootDir>/test/node/**/*.test.ts"], testTimeout: 30 * MINUTE, maxWorkers: 1 },
  /** Long forms of integration suites. */
  soak: { testMatch: ["<rootDir>/test/soak/**/*.test.ts"], testTimeout: 24 * 60 * MINUTE, maxWorkers: 1 },
};

/** The tiers of docs/testing.md: TIER names one. */
const tier = TIERS[process.env.TIER ?? "full"];
if (tier === undefined) throw new Error(`TIER must be one of ${Object.keys(TIERS).join(", ")}`);

/** Maps each public entry to its sources: package.json exports ./dist/X/index.js of X/index.ts. */
const moduleNameMapper = Object.fromEntries(
  Object.entries(entries)
    .filter(([, file]) => file?.endsWith("/index.js"))
    .map(([entry, file]) => [
      `^${name}${entry.slice(1).replace("*", "([^/]+)")}$`,
      file.replace("./dist", "<rootDir>").replace("*", "$1").replace("/index.js", ""),
    ]),
);

/** TypeScript by swc, and the package's own name mapped to its sources. */
module.exports = {
  maxWorkers: Math.max(2, availableParallelism() - 1),
  ...tier,
  transform: {
    "\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }],
    // Node loads it by require(), which jest does not for ES modules.
    "/@marcbachmann/.+\\.js$": ["@swc/jest", { jsc: { target: "es2022" }, module: { type: "commonjs" } }],
  },
  transformIgnorePatterns: ["/node_modules/(?!@marcbachmann/)"],
  moduleNameMapper: {
    ...moduleNameMapper,
    // Names of sources as a dynamic import must write them.
    "^(\\.{1,2}/.+)\\.js$": ["$1.js", "$1.ts"],
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/out/"],
};
