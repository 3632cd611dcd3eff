const { name, exports: entries } = require("./package.json");

/** Maps each public entry to its sources: package.json exports ./dist/X/index.js of X/index.ts. */
const moduleNameMapper = Object.fromEntries(
  Object.entries(entries)
    .filter(([, file]) => file?.endsWith("/index.js"))
    .map(([entry, file]) => [
      `^${name}${entry.slice(1).replace("*", "([^/]+)")}$`,
      file.replace("./dist", "<rootDir>").replace("*", "$1").replace("/index.js", ""),
    ]),
);

/** What all tiers share: TypeScript by swc, and the package's own name mapped to its sources. */
module.exports = {
  transform: { "\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }] },
  moduleNameMapper,
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/out/"],
};
