// Loaded with `node -r`: resolves cdktf to cdktn in the directory CEDANA_INTEGRATION_CDKTN.
const Module = require("node:module");
const path = require("node:path");

const folder = process.env.CEDANA_INTEGRATION_CDKTN;
const filename = path.join(folder, "package.json");
const parentModule = { id: filename, filename, paths: Module._nodeModulePaths(folder) };
const substitutes = [
  [/^cdktf(?=\/|$)/, "cdktn"],
  [/^@cdktf\/provider-aws(?=\/|$)/, "@cdktn/provider-aws"],
  // Both use the same copy.
  [/^constructs(?=\/|$)/, "constructs"],
];

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const found = substitutes.find(([pattern]) => pattern.test(request));
  return found
    ? resolve.call(this, request.replace(...found), parentModule, ...rest)
    : resolve.call(this, request, parent, ...rest);
};
