import { Option, type Command } from "commander";
import { print } from "./options";

export function addFeatures(program: Command): void {
  program
    .command("features")
    .description(
      "print the feature matrix of the Cedana agent's plugins, or with --engine kubelet of that engine",
    )
    .addOption(new Option("--engine <kind>", "engine").choices(["cedana", "kubelet"]).default("cedana"))
    .option("--json", "print JSON", false)
    .action(async ({ engine, json }: { engine: "cedana" | "kubelet"; json: boolean }) => {
      const features = await import("../config/features/index.js");
      const kubelet = engine === "kubelet";
      const data = kubelet ? { features: features.KUBELET_FEATURES } : features.featureTableJson();
      const table = kubelet ? features.renderKubeletTable() : features.renderFeatureTable();
      print(json ? `${JSON.stringify(data, null, 2)}\n` : table);
    });
}
