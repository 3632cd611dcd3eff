import { partitionOf } from "../../config/cluster";

/** Logging in is not bound to a repository; ECR knows no narrower resource for it. */
const LOGIN = { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" };

const PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

const PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];

/** To pull images of one repository. */
export function pullStatements(repositoryArn: string): object[] {
  return [LOGIN, { Effect: "Allow", Action: PULL, Resource: repositoryArn }];
}

/** To push images to one repository: to see what is there already, but not to read what is in it. */
export function uploadStatements(repositoryArn: string): object[] {
  const see = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"];
  return [LOGIN, { Effect: "Allow", Action: [...see, ...PUSH], Resource: repositoryArn }];
}

/** To log in, and to ask whether a layer is in one repository. */
export function checkStatements(repositoryArn: string): object[] {
  return [LOGIN, { Effect: "Allow", Action: ["ecr:BatchCheckLayerAvailability"], Resource: repositoryArn }];
}

/** To pull, push, list and delete images of one repository. */
export function pushStatements(repositoryArn: string): object[] {
  const manage = ["ecr:DescribeImages", "ecr:ListImages", "ecr:BatchDeleteImage"];
  return [LOGIN, { Effect: "Allow", Action: [...PULL, ...PUSH, ...manage], Resource: repositoryArn }];
}

/** Keeps the newest images, whatever their tags. */
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

/** ARN of the repository behind a URL such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app`. */
export function repositoryArnOf(url: string): string {
  const [host = "", ...path] = url.split("/");
  const [account = "", , , region = ""] = host.split(".");
  return `arn:${partitionOf(region)}:ecr:${region}:${account}:repository/${path.join("/")}`;
}
