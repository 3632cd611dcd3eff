/** The role with which the controller deletes artifacts. */
import { App } from "cdktf";
import { readPlatform, type Platform } from "../../../../config/platform/file";
import { PlatformStack, type PlatformStackProps } from "../../../../stacks/aws";
import { resources, synthStack } from "../../../support/terraform-json";

const synth = (props: PlatformStackProps) => synthStack(new PlatformStack(new App(), "platform", props));

test("gives a controller that deletes artifacts a role that lists, reads manifests and deletes, and no other", () => {
  const file = (checkpoints: string) => `version: 1
existingCluster: { name: demo, version: "1.34", region: eu-west-1 }
imageRepository: { name: checkpoints, onlyGranted: true }
engine:
  image: { repository: registry.example.com/agent, tag: 0.1.0 }
  repository: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints
install:
  controller: { image: { repository: registry.example.com/controller, tag: 0.1.0 } }
  checkpoints: ${checkpoints}
`;
  const rolesOf = (checkpoints: string) => {
    const { platform } = readPlatform(file(checkpoints)) as { platform: Platform };
    const { version: _version, output: _output, ...props } = platform;
    const json = synth(props);
    const grants = resources(json, "aws_iam_role_policy").filter(({ role }) =>
      String(role).includes("controller"),
    );
    return {
      json,
      grants: grants.map(({ policy }) => JSON.parse(String(policy)) as { Statement: object[] }),
    };
  };
  expect(rolesOf("{ namespaces: [team-a] }").grants).toEqual([]);
  expect(
    rolesOf("{ namespaces: [team-a], deleteArtifacts: { registryCredentials: { name: deleter } } }").grants,
  ).toEqual([]);
  const { json, grants } = rolesOf("{ namespaces: [team-a], deleteArtifacts: {} }");
  const repository = expect.stringMatching(/^\$\{aws_ecr_repository\..*\.arn\}$/) as string;
  expect(grants.map(({ Statement }) => Statement)).toEqual([
    [
      { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
      {
        Effect: "Allow",
        Action: ["ecr:ListImages", "ecr:BatchGetImage", "ecr:BatchDeleteImage"],
        Resource: repository,
      },
    ],
  ]);
  const trust = resources(json, "aws_iam_role").find(({ description }) =>
    String(description).endsWith("/cedana-controller"),
  );
  expect(trust?.["assume_role_policy"]).toContain("cedana-controller");
  // The policy of the repository denies manifests to all roles without a grant.
  expect(String(resources(json, "aws_ecr_repository_policy")[0]?.["policy"])).toContain("controller");
});
