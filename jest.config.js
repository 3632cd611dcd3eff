/** The unit tier: Node alone, no cluster, no Terraform. */
module.exports = {
  ...require("./jest.base.js"),
  maxWorkers: 2,
  testMatch: ["<rootDir>/test/unit/**/*.test.ts", "<rootDir>/test/golden/**/*.test.ts"],
};
