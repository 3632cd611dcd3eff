/** Client of OCI registries: streams blobs, needs no file, exposes no secret. */
export { RegistryClient, digestOf, type Manifest } from "./client";
export { credentialsFor, entriesIn, type Credentials } from "./docker-config";
export { deleteEcrImage, ecrCredentials, ecrRegion, podIdentity, type PodIdentity } from "./ecr";
export { awsIdentity, registryCredentials, type Identity, type RegistryAccess } from "./access";
export { RegistryError } from "./errors";
export { formatReference, isDigest, originOf, parseReference, type ImageReference } from "./reference";
export type { RegistryOptions } from "./transport";
export type { Blob, BlobDigest } from "./upload";
