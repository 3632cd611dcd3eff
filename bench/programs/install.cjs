// What our CLI does for the Kubernetes side, less reading the file: objects, files, written to disk.
const { App } = require("cdk8s");
const { layout } = require("cedana-cdk/manifests");
const { writeTree } = require("cedana-cdk/output");
const { CedanaChart } = require("cedana-cdk/stacks/kubernetes");
const { INSTALL } = require("./input.cjs");

const chart = new CedanaChart(new App(), "cedana", INSTALL);
writeTree(process.argv[2], layout(chart.toJson()), "bench");
