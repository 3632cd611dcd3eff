// Synthesizes the AWS side with NODE_GROUPS node groups into CDKTF_OUTDIR.
const { App } = require("cdktf");
const { withoutCreationStacks } = require("cedana-cdk/output");
const { PlatformStack } = require("cedana-cdk/stacks/aws");
const { platform } = require("./input.cjs");

withoutCreationStacks(() => {
  const app = new App();
  new PlatformStack(app, "platform", platform(Number(process.env.NODE_GROUPS ?? 1)));
  app.synth();
});
