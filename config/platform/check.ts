import * as v from "../schema/valibot";
import { checkAddressing, checkCluster, checkExistingCluster } from "../cluster";
import { capabilitiesOf, checkEngine, checkTogether, type ResolvedEngine } from "../engines";
import { checkInstall, installSchema, type ResolvedInstall } from "../install";
import { checkKarpenter, checkKarpenterNames } from "../karpenter";
import { checkNetwork, networkSchema } from "../network";
import { KUBERNETES_MINORS } from "../nodes";
import { checkNodeGroup } from "../nodes/group";
import { InvalidInputError, under, type Problem } from "../schema/problem";
import { check } from "../schema";
import { withNewPlace } from "./moved";
import { validAreas, type ValidAreas } from "./areas";
import { checkComposition, checkIdentities } from "./composition";
import {
  withNodeEngines,
  checkEngines,
  checkHandlers,
  checkNodesGetAgent,
  checkStartupTaints,
} from "./nodes";
import { platformSchema, type Platform, type PlatformSpec } from "./schema";
import { checkRepository, withAgentAccess, checkStorage } from "./stores";

export interface CheckedPlatform {
  /** The platform with every default and derived value. Undefined if there is any problem. */
  readonly platform?: Platform;
  readonly problems: readonly Problem[];
}

/**
 * Checks a whole platform: the data of a cedana.yaml or the props of a PlatformStack. It is the only check of a whole
 * platform. Each area is checked even if another one has problems. Values known only to Terraform (tokens) pass.
 */
export function checkPlatform(input: unknown): CheckedPlatform {
  const shapeProblems = (check(platformSchema, input).problems ?? []).map((problem) =>
    withNewPlace(problem, input),
  );
  const { output } = v.safeParse(platformSchema, input);
  const areas = validAreas(input, output as Partial<Platform> | undefined, shapeProblems);
  const problems = [...shapeProblems, ...checkAreas(areas), ...checkAcross(areas)];
  if (problems.length > 0) return { problems };
  return { platform: withAgentAccess(withNodeEngines(output as Platform)), problems };
}

/**
 * Returns the platform with every default and derived value.
 * @throws InvalidInputError with all problems of all areas
 */
export function resolvePlatform(spec: PlatformSpec): Platform {
  const { platform, problems } = checkPlatform(spec);
  if (!platform) throw new InvalidInputError("platform", problems);
  return platform;
}

/** Runs the checks of each area by itself. */
function checkAreas(areas: ValidAreas): Problem[] {
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

/** Replaces the version of a cluster that has problems, so that its nodes are still checked. */
const [ANY_MINOR] = KUBERNETES_MINORS;

function minorOf({ version, ami }: Platform["nodeGroups"][number]): string {
  const release = ami && "releaseVersion" in ami ? /^1\.\d+/.exec(ami.releaseVersion)?.[0] : undefined;
  return version ?? release ?? ANY_MINOR;
}

/** Runs the checks that depend on several areas. */
function checkAcross(areas: ValidAreas): Problem[] {
  const { cluster, network, engine } = areas;
  const wiring = areas.given.has("network") ? network : v.parse(networkSchema, {});
  const install = areas.given.has("install") ? areas.install : v.parse(installSchema, {});
  return [
    ...checkComposition(areas),
    ...checkIdentities(areas),
    ...(cluster && wiring ? checkAddressing(cluster, wiring) : []),
    ...(engine ? checkEngines(areas, engine) : []),
    ...(engine && install ? checkWithEngine(areas, engine, install) : []),
  ];
}

/** Runs the checks of areas that depend on engine and install. */
function checkWithEngine(areas: ValidAreas, engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  const capabilities = capabilitiesOf(engine, install);
  return [
    ...checkTogether(engine, install),
    ...checkNodesGetAgent(areas, install),
    ...checkHandlers(areas, capabilities),
    ...checkStartupTaints(areas, install, capabilities),
    ...checkStorage(areas, capabilities),
    ...checkRepository(areas, capabilities),
  ];
}
