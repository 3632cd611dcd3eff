/** The node tier: images, CRIU and real nodes, as root. docs/testing.md says what it needs. */
module.exports = {
  ...require("./jest.base.js"),
  testMatch: ["<rootDir>/test/node/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testTimeout: 600_000,
};
