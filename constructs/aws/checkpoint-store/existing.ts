import type { Construct } from "constructs";
import { bucketArn } from "../../../render/iam";
import { givenStorePropsSchema, type GivenStorePropsSpec } from "../../../config/checkpoint-store";
import { resolve } from "../../../config/schema";
import { StoreBase } from "./base";

/** A store in an existing bucket. */
export class ExistingStore extends StoreBase {
  readonly bucketName: string;
  readonly bucketArn: string;
  readonly prefix: string;
  readonly kmsKeyArn?: string;
  protected readonly region: string;

  constructor(scope: Construct, id: string, attributes: GivenStorePropsSpec) {
    super(scope, id);
    const spec = resolve(this.node.path, givenStorePropsSchema, attributes);
    this.region = spec.region;
    this.bucketName = spec.existingBucket;
    this.bucketArn = bucketArn(spec.existingBucket, spec.region);
    this.prefix = spec.prefix;
    this.kmsKeyArn = spec.kmsKeyArn;
  }
}
