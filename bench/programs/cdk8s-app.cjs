// Builds the default install as an app of cdk8s-cli, which sets the output directory through the environment.
const { App } = require("cdk8s");
const { CedanaChart } = require("cedana-cdk/stacks/kubernetes");
const { INSTALL } = require("./input.cjs");

const app = new App();
new CedanaChart(app, "cedana", INSTALL);
app.synth();
