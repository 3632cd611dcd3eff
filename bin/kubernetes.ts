/** The cdk8s app of cdk8s.yaml: the Kubernetes side of the platform file (CEDANA_YAML, or cedana.yaml). */
import { App } from "cdk8s";
import { runApp } from "../cli/platform-file";
import { chartsFromPlatform } from "../stacks/kubernetes";

runApp(({ platform }) => {
  const app = new App();
  chartsFromPlatform(app, platform);
  app.synth();
});
