/** The cdktf app of cdktf.json: the AWS side of the platform file (CEDANA_YAML, or cedana.yaml). */
import { App } from "cdktf";
import { runApp } from "../cli/platform-file";
import { stackOf } from "../cli/terraform";
import { withoutCreationStacks } from "../manifests/output";
import { stackFromPlatform } from "../stacks/aws";

runApp(({ platform, file }) =>
  withoutCreationStacks(() => {
    const app = new App();
    stackFromPlatform(app, platform, stackOf(file));
    app.synth();
  }),
);
