/** The peers tier: real programs. docs/testing.md says which, and how they are found. */
module.exports = {
  ...require("./jest.base.js"),
  testMatch: ["<rootDir>/test/peers/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testTimeout: 300_000,
};
