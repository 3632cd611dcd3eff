// Loaded with `node -r`: whoever asks for cdktf gets cdktn, from the folder that CEDANA_INTEGRATION_CDKTN names.
const Module = require("node:module");
const path = require("node:path");

const folder = process.env.CEDANA_INTEGRATION_CDKTN;
const filename = path.join(folder, "package.json");
const asker = { id: filename, filename, paths: Module._nodeModulePaths(folder) };
const substitutes = [
  [/^cdktf(?=\/|$)/, "cdktn"],
  [/^@cdktf\/provider-aws(?=\/|$)/, "@cdktn/provider-aws"],
  // One copy of the tree that both build on.
  [/^constructs(?=\/|$)/, "constructs"],
];

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const found = substitutes.find(([pattern]) => pattern.test(request));
  return found
    ? resolve.call(this, request.replace(...found), asker, ...rest)
    : resolve.call(this, request, parent, ...rest);
};
