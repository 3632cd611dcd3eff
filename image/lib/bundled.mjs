/** Packages that a program of one file is bundled of, as its THIRD-PARTY-NOTICES.txt names them, for the SBOM. */
export function bundledPackages(notices) {
  const found = [...notices.matchAll(/^(\S+) (\S+) \((.*)\)\nSource: /gm)].map(
    ([, name, release, licence]) => ({
      name,
      version: release,
      licence: licence === "see below" ? "NOASSERTION" : licence,
      purl: `pkg:npm/${name.replace("@", "%40")}@${release}`,
    }),
  );
  // Two dependents may each have a copy of their own of one package.
  return [...new Map(found.map((each) => [each.purl, each])).values()];
}
