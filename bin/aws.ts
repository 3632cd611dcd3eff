/** The cdktf app of cdktf.json: the AWS side of cedana.yaml, or of the file that CEDANA_YAML names. */
import { App } from "cdktf";
import { runApp } from "../cli/app";
import { withoutCreationStacks } from "../manifests/output";
import { stackFromPlatform } from "../stacks/aws";

runApp(({ platform }) =>
  withoutCreationStacks(() => {
    const app = new App();
    stackFromPlatform(app, platform);
    app.synth();
  }),
);
