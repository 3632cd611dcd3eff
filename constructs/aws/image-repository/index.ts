import { EcrLifecyclePolicy } from "@cdktf/provider-aws/lib/ecr-lifecycle-policy";
import { EcrRepository } from "@cdktf/provider-aws/lib/ecr-repository";
import { EcrRepositoryPolicy } from "@cdktf/provider-aws/lib/ecr-repository-policy";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import {
  checkExistingRepository,
  checkExpiry,
  existingRepositoryPropsSchema,
  repositoryPropsSchema,
  type ExistingRepositoryPropsSpec,
  type RepositoryPropsSpec,
  type ResolvedRepositoryProps,
} from "../../../config/image-repository";
import {
  checkStatements,
  deleteStatements,
  expirePolicy,
  keepLastPolicy,
  othersDenied,
  pullStatements,
  pushStatements,
  repositoryArnOf,
  uploadStatements,
} from "../../../render/iam";
import { resolve } from "../../../config/schema";
import { accountOf, policyDocument } from "../internal";

/** An image repository, with methods that grant access to it. */
export interface IImageRepository {
  /** `<account>.dkr.ecr.<region>.amazonaws.com/<name>`, without a tag. */
  readonly url: string;
  readonly arn: string;
  /**
   * Lets a role pull, push, list and delete images.
   * @param id unique within the repository; part of the policy's address in the Terraform state
   */
  grantPush(id: string, role: { readonly name: string }): IamRolePolicy;
  /** Lets a role push images, but neither pull nor delete them. */
  grantUpload(id: string, role: { readonly name: string }): IamRolePolicy;
  /** Lets a role log in and check whether a layer exists. */
  grantCheck(id: string, role: { readonly name: string }): IamRolePolicy;
  /** Lets a role pull images. */
  grantPull(id: string, role: { readonly name: string }): IamRolePolicy;
  /** Lets a role list images, read their manifests and delete them, but neither push nor read layers. */
  grantDelete(id: string, role: { readonly name: string }): IamRolePolicy;
}

abstract class RepositoryBase extends Construct implements IImageRepository {
  abstract readonly url: string;
  abstract readonly arn: string;
  /** Whether namespaces have repositories below this one. */
  protected abstract readonly hasNamespaces: boolean;
  /** Names of the roles that may read images. A push reads the manifest. */
  protected readonly readers = new Set<string>();

  grantPush(id: string, role: { readonly name: string }): IamRolePolicy {
    this.readers.add(role.name);
    return this.grant(`push-${id}`, role, pushStatements(this.granted));
  }

  grantUpload(id: string, role: { readonly name: string }): IamRolePolicy {
    this.readers.add(role.name);
    return this.grant(`upload-${id}`, role, uploadStatements(this.granted));
  }

  grantCheck(id: string, role: { readonly name: string }): IamRolePolicy {
    return this.grant(`check-${id}`, role, checkStatements(this.granted));
  }

  grantPull(id: string, role: { readonly name: string }): IamRolePolicy {
    this.readers.add(role.name);
    return this.grant(`pull-${id}`, role, pullStatements(this.granted));
  }

  grantDelete(id: string, role: { readonly name: string }): IamRolePolicy {
    this.readers.add(role.name);
    return this.grant(`delete-${id}`, role, deleteStatements(this.granted));
  }

  /**
   * Returns the resources of grants. A pattern for the repositories below, because the policies of a role have 10,240 characters
   * together.
   */
  private get granted(): string | readonly string[] {
    return this.hasNamespaces ? [this.arn, `${this.arn}/*`] : this.arn;
  }

  private grant(id: string, role: { readonly name: string }, statements: object[]): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      role: role.name,
      namePrefix: "image-repository-",
      policy: policyDocument(...statements),
    });
  }
}

/** A repository and what belongs to it. */
export interface RepositoryResources {
  readonly repository: EcrRepository;
  readonly lifecycle?: EcrLifecyclePolicy;
  readonly policy?: EcrRepositoryPolicy;
}

/** Settings of the repository. Access is granted by the methods of the construct. */
export interface ImageRepositoryProps extends RepositoryPropsSpec {}

/**
 * Creates an ECR repository with immutable tags, so that a restore uses exactly the image that the checkpoint was pushed as.
 * Encrypted with KMS. Images are deleted only with `expireDays` or `keepLast`.
 * @throws InvalidInputError
 */
export class ImageRepository extends RepositoryBase {
  /** Uses an existing repository without changing it. */
  static fromAttributes(
    scope: Construct,
    id: string,
    attributes: ExistingRepositoryPropsSpec,
  ): IImageRepository {
    return new ExistingRepository(scope, id, attributes);
  }

  readonly repository: EcrRepository;
  /** Only with `expireDays` or `keepLast`. */
  readonly lifecycle?: EcrLifecyclePolicy;
  /** Only with `onlyGranted`. */
  readonly policy?: EcrRepositoryPolicy;
  /** Repositories `<name>/<namespace>`, with the same settings, by namespace. */
  readonly ofNamespaces: ReadonlyMap<string, RepositoryResources>;
  protected readonly hasNamespaces: boolean;

  constructor(scope: Construct, id: string, props: ImageRepositoryProps) {
    super(scope, id);
    const spec = resolve(this.node.path, repositoryPropsSchema, props, checkExpiry);
    const create = (scope: Construct, name: string) => this.createRepository(scope, { ...spec, name });
    ({
      repository: this.repository,
      lifecycle: this.lifecycle,
      policy: this.policy,
    } = create(this, spec.name));
    this.hasNamespaces = spec.namespaces.length > 0;
    const below = this.hasNamespaces ? new Construct(this, "namespaces") : this;
    this.ofNamespaces = new Map(
      spec.namespaces.map((namespace) => [
        namespace,
        create(new Construct(below, namespace), `${spec.name}/${namespace}`),
      ]),
    );
  }

  private createRepository(scope: Construct, spec: ResolvedRepositoryProps): RepositoryResources {
    const repository = new EcrRepository(scope, "repository", {
      name: spec.name,
      imageTagMutability: "IMMUTABLE",
      imageScanningConfiguration: { scanOnPush: spec.scanOnPush },
      encryptionConfiguration: [
        {
          encryptionType: "KMS",
          ...(spec.kmsKeyArn === undefined ? {} : { kmsKey: spec.kmsKeyArn }),
        },
      ],
      forceDelete: spec.forceDelete,
    });
    const rules = lifecyclePolicy(spec);
    const account = spec.onlyGranted ? accountOf(this) : undefined;
    return {
      repository,
      ...(rules && {
        lifecycle: new EcrLifecyclePolicy(scope, "lifecycle", {
          repository: repository.name,
          policy: JSON.stringify(rules),
        }),
      }),
      ...(account !== undefined && {
        policy: new EcrRepositoryPolicy(scope, "policy", {
          repository: repository.name,
          // Roles get grants after the repository is created.
          policy: Lazy.stringValue({
            produce: () => policyDocument(othersDenied(account, [...this.readers])),
          }),
        }),
      }),
    };
  }

  get url(): string {
    return this.repository.repositoryUrl;
  }

  get arn(): string {
    return this.repository.arn;
  }
}

function lifecyclePolicy({ keepLast, expireDays }: ImageRepositoryProps): object | undefined {
  if (expireDays !== undefined) return expirePolicy(expireDays);
  return keepLast === undefined ? undefined : keepLastPolicy(keepLast);
}

class ExistingRepository extends RepositoryBase {
  readonly url: string;
  readonly arn: string;
  protected readonly hasNamespaces: boolean;

  constructor(scope: Construct, id: string, attributes: ExistingRepositoryPropsSpec) {
    super(scope, id);
    const { existingUrl, perNamespace } = resolve(
      this.node.path,
      existingRepositoryPropsSchema,
      attributes,
      checkExistingRepository,
    );
    this.url = existingUrl;
    this.hasNamespaces = perNamespace;
    this.arn = repositoryArnOf(this.url);
  }
}
