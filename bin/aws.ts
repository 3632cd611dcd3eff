/** The cdktf app of cdktf.json: the AWS side of cedana.yaml, or of the file that CEDANA_YAML names. */
import { App } from "cdktf";
import { runApp } from "./commands/app";
import { addStack } from "./commands/terraform";
import { withoutCreationStacks } from "./output";

runApp(({ platform }) =>
  withoutCreationStacks(() => {
    const app = new App();
    if (platform.cluster || platform.existingCluster) addStack(app, platform);
    app.synth();
  }),
);
