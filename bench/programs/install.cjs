// Does what the CLI does for the Kubernetes side after reading the file: builds the objects and writes the files.
const { App } = require("cdk8s");
const { layout } = require("cedana-cdk/manifests");
const { writeTree } = require("cedana-cdk/output");
const { CedanaChart } = require("cedana-cdk/stacks/kubernetes");
const { INSTALL } = require("./input.cjs");

const chart = new CedanaChart(new App(), "cedana", INSTALL);
writeTree(process.argv[2], layout(chart.toJson()), "bench");
