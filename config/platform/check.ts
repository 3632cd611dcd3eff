import * as v from "valibot";
import { checkAddressing, checkCluster, checkExistingCluster } from "../cluster";
import { checkEngine } from "../engines";
import { checkInstall, checkTogether, installSchema } from "../install";
import { checkKarpenter, checkKarpenterNames } from "../karpenter";
import { checkNetwork, networkSchema } from "../network";
import { KUBERNETES_MINORS } from "../nodes";
import { checkNodeGroup } from "../nodes/group";
import type { Problem } from "../schema/problem";
import { under } from "../schema/problem";
import { check } from "../schema";
import { rightAreas, type RightAreas } from "./areas";
import { checkComposition } from "./composition";
import { checkStartupTaints } from "./gate";
import { checkHandlers, checkEngines, checkNodesGetAgent } from "./nodes";
import { withNodeEngines } from "./node-engine";
import { platformSchema, type Platform } from "./schema";
import { checkRepository } from "./repository";
import { checkStorage } from "./storage";

export interface CheckedPlatform {
  /** With every default filled in. Left out if there is any problem. */
  readonly platform?: Platform;
  readonly problems: readonly Problem[];
}

/**
 * Checks the data of a cedana.yaml as a whole. The checks of an area run wherever its own shape is right, so that one
 * mistake in `network` does not hide one in `engine`.
 */
export function checkPlatform(input: unknown): CheckedPlatform {
  const shapeProblems = check(platformSchema, input).problems ?? [];
  const { output } = v.safeParse(platformSchema, input);
  const areas = rightAreas(input, output as Partial<Platform> | undefined, shapeProblems);
  const problems = [...shapeProblems, ...checkAreas(areas), ...checkAcross(areas)];
  return problems.length > 0 ? { problems } : { platform: withNodeEngines(output as Platform), problems };
}

/** The checks that each area has for itself. */
function checkAreas(areas: RightAreas): Problem[] {
  const { cluster, existingCluster, network, engine, install, karpenter } = areas;
  const eks = cluster ?? existingCluster;
  return [
    ...under(["cluster"], cluster ? checkCluster(cluster) : []),
    ...under(["existingCluster"], existingCluster ? checkExistingCluster(existingCluster) : []),
    ...under(["network"], network ? checkNetwork(network, { region: eks?.region }) : []),
    ...[...areas.nodeGroups].flatMap(([index, group]) =>
      under(
        ["nodeGroups", index],
        checkNodeGroup(group, { kubernetesVersion: eks?.version ?? minorOf(group) }),
      ),
    ),
    ...under(
      ["karpenter"],
      karpenter ? checkKarpenter(karpenter, { kubernetesVersion: eks?.version ?? ANY_MINOR }) : [],
    ),
    ...under(["karpenter"], karpenter && eks ? checkKarpenterNames(karpenter, eks.name) : []),
    ...under(["engine"], engine ? checkEngine(engine) : []),
    ...under(["install"], install ? checkInstall(install) : []),
  ];
}

/** Replaces the cluster's version where it is not known because `cluster` has problems, which are reported already. */
const [ANY_MINOR] = KUBERNETES_MINORS;

function minorOf({ version, ami }: Platform["nodeGroups"][number]): string {
  const release = ami && "releaseVersion" in ami ? /^1\.\d+/.exec(ami.releaseVersion)?.[0] : undefined;
  return version ?? release ?? ANY_MINOR;
}

/** What depends on several areas. */
function checkAcross(areas: RightAreas): Problem[] {
  const { cluster, network, engine } = areas;
  const wiring = areas.given.has("network") ? network : v.parse(networkSchema, {});
  const install = areas.given.has("install") ? areas.install : v.parse(installSchema, {});
  return [
    ...checkComposition(areas),
    ...(cluster && wiring ? checkAddressing(cluster, wiring) : []),
    ...(engine && install ? checkTogether(engine, install) : []),
    ...(engine && install ? checkNodesGetAgent(areas, install) : []),
    ...(engine && install ? checkHandlers(areas, install) : []),
    ...(engine && install ? checkStartupTaints(areas, install) : []),
    ...(engine ? checkEngines(areas, engine) : []),
    ...checkStorage(areas),
    ...checkRepository(areas),
  ];
}
