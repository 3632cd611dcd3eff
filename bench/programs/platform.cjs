// The AWS side with GROUPS node groups, into CDKTF_OUTDIR.
const { App } = require("cdktf");
const { PlatformStack } = require("cedana-cdk/stacks/aws");
const { platform } = require("./input.cjs");

const app = new App();
new PlatformStack(app, "platform", platform(Number(process.env.GROUPS ?? 1)));
app.synth();
