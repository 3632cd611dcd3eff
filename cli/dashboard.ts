import type { Command } from "commander";
import { print } from "./options";

export function addDashboard(program: Command): void {
  program
    .command("dashboard")
    .description("print the Grafana dashboard of the controller's metrics, as JSON")
    .action(async () => {
      const { grafanaDashboard } = await import("../render/grafana/index.js");
      print(`${JSON.stringify(grafanaDashboard(), null, 2)}\n`);
    });
}
