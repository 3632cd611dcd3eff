import { App, Chart } from "cdk8s";
import { kindsOf } from "../../api";
import { policiesOf } from "../../config/install";
import { Crd } from "../../constructs/kubernetes";
import { CommandError, EXIT } from "../errors";
import { loadPlatform } from "../platform-file";
import type { DesiredCrd } from "./definition";

/**
 * Returns the CustomResourceDefinitions that the engine of a platform file uses, also with `install.crds: false`.
 * @throws CommandError (exit code 2) if the file has problems, or no engine
 */
export function desiredCrds(file: string): readonly DesiredCrd[] {
  const { engine, install } = loadPlatform(file).platform;
  if (!engine) throw new CommandError(`${file}: has no engine`, EXIT.badInput);
  const chart = new Chart(new App(), "crds");
  const policies = install !== undefined && policiesOf(install) !== false;
  for (const kind of kindsOf(engine.kind, policies)) new Crd(chart, kind.plural, { kind, install });
  return chart.toJson() as DesiredCrd[];
}
