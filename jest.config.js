const { availableParallelism } = require("node:os");

/** Timeouts only end what hangs: no test passes or fails by its speed. */
const MINUTE = 60_000;
const TIERS = {
  /** Node alone: no build, no other program. */
  fast: { testMatch: ["<rootDir>/test/unit/**/!(*.long).test.ts"], testTimeout: MINUTE },
  /** The fast tier, and `*.long.test.ts`: long property and crash tests, and the built programs. */
  full: { testMatch: ["<rootDir>/test/unit/**/*.test.ts"], testTimeout: 5 * MINUTE },
  /** Real programs: Terraform, Kubernetes, helm. */
  integration: {
    testMatch: ["<rootDir>/test/integration/**/*.test.ts"],
    testTimeout: 5 * MINUTE,
    maxWorkers: 1,
  },
  /** Images, CRIU and a real node, as root. */
  node: { testMatch: ["<rootDir>/test/node/**/*.test.ts"], testTimeout: 30 * MINUTE, maxWorkers: 1 },
  /** Long forms of integration suites. */
  soak: { testMatch: ["<rootDir>/test/soak/**/*.test.ts"], testTimeout: 24 * 60 * MINUTE, maxWorkers: 1 },
};

/** The tiers of docs/testing.md: TIER names one. */
const tier = TIERS[process.env.TIER ?? "full"];
if (tier === undefined) throw new Error(`TIER must be one of ${Object.keys(TIERS).join(", ")}`);

/** TypeScript by swc, and the package's name mapped to its sources as in package.json `exports`. */
module.exports = {
  maxWorkers: Math.max(2, availableParallelism() - 1),
  ...tier,
  transform: { "\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }] },
  moduleNameMapper: {
    "^cedana-cdk/(aws|kubernetes)(/.*)?$": "<rootDir>/constructs/$1$2",
    "^cedana-cdk/(platform|features)$": "<rootDir>/config/$1",
    "^cedana-cdk/output$": "<rootDir>/manifests/output",
    // Names of sources as a dynamic import must write them.
    "^(\\.{1,2}/.+)\\.js$": ["$1.js", "$1.ts"],
    "^cedana-cdk/(api|config|render|manifests|stacks/.*)$": "<rootDir>/$1",
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/out/"],
};
