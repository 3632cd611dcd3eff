/** One ECR repository per namespace: repositories, their settings and the grants of the agents. */
import { App } from "cdktf";
import { readPlatform, type Platform } from "../../../../config/platform/file";
import { PlatformStack, type PlatformStackProps } from "../../../../stacks/aws";
import { resources, synthStack } from "../../../support/terraform-json";

const synth = (props: PlatformStackProps) => synthStack(new PlatformStack(new App(), "platform", props));

const perNamespace = (repository: string, namespaces: string) => `version: 1
existingCluster: { name: demo, version: "1.34", region: eu-west-1 }
imageRepository: ${repository}
engine:
  image: { repository: registry.example.com/agent, tag: 0.1.0 }
  repository: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints
  repositoryPerNamespace: true
install:
  controller: { image: { repository: registry.example.com/controller, tag: 0.1.0 } }
  checkpoints: { namespaces: ${namespaces} }
`;

test("creates one repository per namespace, with the same settings, and grants that cover them", () => {
  const text = perNamespace("{ name: checkpoints, expireDays: 30, onlyGranted: true }", "[team-a, team-b]");
  const { platform, problems } = readPlatform(text) as { platform: Platform; problems?: object[] };
  expect(problems ?? []).toEqual([]);
  const { version: _version, output: _output, ...props } = platform;
  const json = synth(props);
  const repositories = resources(json, "aws_ecr_repository");
  expect(repositories.map(({ name }) => name)).toEqual([
    "checkpoints",
    "checkpoints/team-a",
    "checkpoints/team-b",
  ]);
  const [{ name: _name, ...common } = {}] = repositories;
  expect(common).toMatchObject({ image_tag_mutability: "IMMUTABLE" });
  for (const { name: _, ...one } of repositories) expect(one).toEqual(common);
  expect(resources(json, "aws_ecr_lifecycle_policy")).toHaveLength(3);
  const policies = resources(json, "aws_ecr_repository_policy").map(({ policy }) => policy);
  expect(policies).toHaveLength(3);
  expect(new Set(policies).size).toBe(1);
  const grants = resources(json, "aws_iam_role_policy").map(({ policy }) => String(policy));
  expect(grants).toHaveLength(3);
  for (const grant of grants) expect(grant).toMatch(/"Resource":\["(\$\{[^"]+\})","\1\/\*"\]/);
});

test("grants access below an existing repository, and creates none", () => {
  const url = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints";
  const { platform } = readPlatform(perNamespace(`{ existingUrl: ${url} }`, "all")) as {
    platform: Platform;
  };
  const { version: _version, output: _output, ...props } = platform;
  const json = synth(props);
  expect(resources(json, "aws_ecr_repository")).toEqual([]);
  const arn = "arn:aws:ecr:eu-west-1:123456789012:repository/checkpoints";
  for (const { policy } of resources(json, "aws_iam_role_policy"))
    expect(policy).toContain(`"Resource":["${arn}","${arn}/*"]`);
});

test("rejects one repository per namespace for all namespaces, which ECR does not create", () => {
  const { problems = [] } = readPlatform(perNamespace("{ name: checkpoints }", "all"));
  expect(problems.map(({ code, path }) => `${code} ${path.join(".")}`)).toEqual([
    "namespaces-unknown engine.repositoryPerNamespace",
  ]);
});
