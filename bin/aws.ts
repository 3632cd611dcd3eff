/** The cdktf app of cdktf.json: the AWS side of cedana.yaml, or of the file that CEDANA_YAML names. */
import { App } from "cdktf";
import { runApp } from "../cli/app";
import { addStack } from "../cli/terraform";
import { withoutCreationStacks } from "../manifests/output";

runApp(({ platform }) =>
  withoutCreationStacks(() => {
    const app = new App();
    if (platform.cluster || platform.existingCluster) addStack(app, platform);
    app.synth();
  }),
);
