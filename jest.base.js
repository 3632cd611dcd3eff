/** What both tiers share: TypeScript by swc, and the package's own name mapped to its sources as in package.json `exports`. */
module.exports = {
  transform: { "\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }] },
  moduleNameMapper: {
    "^cedana-cdk/(aws|kubernetes)(/.*)?$": "<rootDir>/constructs/$1$2",
    "^cedana-cdk/(platform|features)$": "<rootDir>/config/$1",
    "^cedana-cdk/output$": "<rootDir>/manifests/output",
    "^cedana-cdk/(api|config|render|manifests|stacks/.*)$": "<rootDir>/$1",
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/out/"],
};
