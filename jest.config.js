/** The unit tier: Node alone, no cluster, no Terraform. */
module.exports = {
  testMatch: ["<rootDir>/test/unit/**/*.test.ts", "<rootDir>/test/golden/**/*.test.ts"],
  transform: { "\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }] },
  moduleNameMapper: {
    "^cedana-cdk/(core|platform|gitops|features)$": "<rootDir>/constructs/core/$1",
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/out/"],
};
