import { checkPlatform } from "../../../../config/platform";

const image = { repository: "registry.example.com/agent", tag: "1" };

function problems(region: string, repository: string, imageRepository: object) {
  const existingCluster = { name: "training", version: "1.35", region };
  const controller = { image: { repository: "registry.example.com/controller", tag: "1" } };
  const engine = { image, repository };
  const input = { version: 1, existingCluster, imageRepository, engine, install: { controller } };
  return checkPlatform(input).problems;
}

const url = (region: string, suffix: string) => `123456789012.dkr.ecr.${region}.${suffix}/checkpoints`;
const GLOBAL = "amazonaws.com";
const CHINA = "amazonaws.com.cn";

test.each([
  ["eu-west-1", GLOBAL],
  ["us-gov-west-1", GLOBAL],
  ["cn-north-1", CHINA],
])("accepts a repository in %s with the DNS suffix of the region", (region, suffix) => {
  const repository = url(region, suffix);
  expect(problems(region, repository, { name: "checkpoints" })).toEqual([]);
  expect(problems(region, repository, { existingUrl: repository })).toEqual([]);
});

test.each([
  ["eu-west-1", CHINA, GLOBAL],
  ["cn-north-1", GLOBAL, CHINA],
])("rejects a repository in %s with another DNS suffix", (region, wrong, right) => {
  const repository = url(region, wrong);
  expect(problems(region, repository, { name: "checkpoints" })).toMatchObject([
    { code: "repository-mismatch", allowed: `<account>.dkr.ecr.${region}.${right}/checkpoints` },
  ]);
  expect(problems(region, repository, { existingUrl: repository })).toMatchObject([
    { code: "invalid-ecr-url" },
  ]);
});

test.each<[object, readonly string[]]>([
  [{}, []],
  [{ expireDays: 30 }, []],
  [{ keepLast: 500 }, ["deletes-checkpoints"]],
  [{ keepLast: 5, expireDays: 3 }, ["excluded", "deletes-checkpoints"]],
])("no rule of the repository of checkpoints counts images: %j", (rules, codes) => {
  const repository = url("eu-west-1", GLOBAL);
  const found = problems("eu-west-1", repository, { name: "checkpoints", ...rules });
  expect(found.map(({ code }) => code)).toEqual(codes);
  for (const { path } of found) expect(path).toEqual(["imageRepository", "keepLast"]);
});

test("a repository that is not of checkpoints may count images", () => {
  const existingCluster = { name: "training", version: "1.35", region: "eu-west-1" };
  const engine = {
    kind: "cedana",
    clusterId: "5f0c4a1e-8a52-4c38-9d3a-0d8b1e7f6a90",
    url: "https://a.example",
  };
  const input = { version: 1, existingCluster, imageRepository: { name: "images", keepLast: 9 }, engine };
  expect(checkPlatform(input).problems).toEqual([]);
});
