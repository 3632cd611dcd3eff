/** The integration tier: real programs. docs/testing.md says which, and how they are found. */
module.exports = {
  ...require("./jest.base.js"),
  testMatch: ["<rootDir>/test/integration/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testTimeout: 300_000,
};
