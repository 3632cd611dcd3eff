import { partitionOf } from "../../config/cluster";

/** The login token: ECR has no narrower resource for it. */
const LOGIN = { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" };

const PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

const PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];

/** Returns the statements to pull images of one repository. */
export function pullStatements(repositoryArn: string): object[] {
  return [LOGIN, { Effect: "Allow", Action: PULL, Resource: repositoryArn }];
}

/** Returns the statements to push images to one repository and check which layers exist, but not to pull. */
export function uploadStatements(repositoryArn: string): object[] {
  const see = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"];
  return [LOGIN, { Effect: "Allow", Action: [...see, ...PUSH], Resource: repositoryArn }];
}

/** Returns the statements to log in and check whether a layer exists in one repository. */
export function checkStatements(repositoryArn: string): object[] {
  return [LOGIN, { Effect: "Allow", Action: ["ecr:BatchCheckLayerAvailability"], Resource: repositoryArn }];
}

/** Returns the statements to pull, push, list and delete images of one repository. */
export function pushStatements(repositoryArn: string): object[] {
  const manage = ["ecr:DescribeImages", "ecr:ListImages", "ecr:BatchDeleteImage"];
  return [LOGIN, { Effect: "Allow", Action: [...PULL, ...PUSH, ...manage], Resource: repositoryArn }];
}

/** Returns a lifecycle policy that keeps the newest images, with any tag. */
export function keepLastPolicy(count: number): object {
  return {
    rules: [
      {
        rulePriority: 1,
        description: `keep the newest ${count}`,
        selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: count },
        action: { type: "expire" },
      },
    ],
  };
}

/** Returns the ARN of the repository of a URL such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app`. */
export function repositoryArnOf(url: string): string {
  const [host = "", ...path] = url.split("/");
  const [account = "", , , region = ""] = host.split(".");
  return `arn:${partitionOf(region)}:ecr:${region}:${account}:repository/${path.join("/")}`;
}
