// Writes a Helm chart with the objects of the default install.
const { App } = require("cdk8s");
const { helmChart } = require("cedana-cdk/manifests");
const { writeTree } = require("cedana-cdk/output");
const { CedanaChart } = require("cedana-cdk/stacks/kubernetes");
const { INSTALL } = require("./input.cjs");

const objects = new CedanaChart(new App(), "cedana", INSTALL).toJson();
writeTree(process.argv[2], helmChart(objects, { name: "cedana", version: "0.1.0" }), "bench");
console.log(objects.length);
