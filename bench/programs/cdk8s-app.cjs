// The same install as an app of cdk8s-cli: it says where to write through the environment.
const { App } = require("cdk8s");
const { CedanaChart } = require("cedana-cdk/stacks/kubernetes");
const { INSTALL } = require("./input.cjs");

const app = new App();
new CedanaChart(app, "cedana", INSTALL);
app.synth();
