// SBOMs: SPDX 2.3 as JSON. The same image gives the same bytes.
const ID = /[^A-Za-z0-9.-]/g;

/**
 * Returns the SPDX document of an image.
 * @param image name, version, digest, created (ISO 8601), base (reference)
 * @param packages contents that this repository adds: name, version, licence (SPDX expression), download, sha256?, purl?, supplier?, comment?
 */
export function spdx(image, packages) {
  const all = [
    {
      SPDXID: "SPDXRef-Image",
      name: image.name,
      versionInfo: image.version,
      primaryPackagePurpose: "CONTAINER",
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      checksums: [{ algorithm: "SHA256", checksumValue: image.digest.replace("sha256:", "") }],
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "NOASSERTION",
      copyrightText: "NOASSERTION",
    },
    {
      SPDXID: "SPDXRef-Base",
      name: image.base.replace(/@.*/, ""),
      primaryPackagePurpose: "CONTAINER",
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "NOASSERTION",
      copyrightText: "NOASSERTION",
      comment: `The base image, ${image.base}. See its own SBOM for its packages.`,
    },
    ...packages.map((each) => ({
      SPDXID: `SPDXRef-${each.name.replace(ID, "-")}-${each.version.replace(ID, "-")}`,
      name: each.name,
      versionInfo: each.version,
      supplier: each.supplier ?? "NOASSERTION",
      downloadLocation: each.download ?? "NOASSERTION",
      filesAnalyzed: false,
      ...(each.sha256 && { checksums: [{ algorithm: "SHA256", checksumValue: each.sha256 }] }),
      licenseConcluded: "NOASSERTION",
      licenseDeclared: each.licence,
      copyrightText: "NOASSERTION",
      ...(each.purl && {
        externalRefs: [
          { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: each.purl },
        ],
      }),
      ...(each.comment && { comment: each.comment }),
    })),
  ];
  const references = [
    ...new Set(packages.flatMap(({ licence }) => licence.match(/LicenseRef-[A-Za-z0-9.-]+/g) ?? [])),
  ];
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${image.name}-${image.version}`,
    documentNamespace: `https://spdx.org/spdxdocs/${image.name}-${image.digest.replace("sha256:", "")}`,
    creationInfo: { created: image.created, creators: ["Tool: cedana-cdk"] },
    packages: all,
    ...(references.length > 0 && {
      hasExtractedLicensingInfos: references.map((licenseId) => ({
        licenseId,
        extractedText: "Added by the builder of the image. See the publisher for the licence.",
      })),
    }),
    relationships: [
      {
        spdxElementId: "SPDXRef-DOCUMENT",
        relationshipType: "DESCRIBES",
        relatedSpdxElement: "SPDXRef-Image",
      },
      {
        spdxElementId: "SPDXRef-Image",
        relationshipType: "DESCENDANT_OF",
        relatedSpdxElement: "SPDXRef-Base",
      },
      ...all.slice(2).map(({ SPDXID }) => ({
        spdxElementId: "SPDXRef-Image",
        relationshipType: "CONTAINS",
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

/** Returns the npm packages in a bundle, from its THIRD-PARTY-NOTICES.txt, for the SBOM. */
export function bundledPackages(notices) {
  const found = [...notices.matchAll(/^(\S+) (\S+) \((.*)\)\nSource: /gm)].map(
    ([, name, release, licence]) => ({
      name,
      version: release,
      licence: licence === "see below" ? "NOASSERTION" : licence,
      purl: `pkg:npm/${name.replace("@", "%40")}@${release}`,
    }),
  );
  // Two dependents can each bundle a copy of one package.
  return [...new Map(found.map((each) => [each.purl, each])).values()];
}
