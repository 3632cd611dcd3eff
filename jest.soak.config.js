/** The long forms of the controller's integration suites: docs/testing.md says how long, and how to go on after an interruption. */
module.exports = {
  ...require("./jest.base.js"),
  testMatch: ["<rootDir>/test/soak/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  // Hooks, too, take as long as the cluster does.
  testTimeout: 24 * 3_600_000,
};
