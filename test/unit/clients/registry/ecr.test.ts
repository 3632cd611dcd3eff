import {
  deleteEcrImage,
  ecrCredentials,
  ecrRegion,
  signedHeaders,
  type Fetch,
} from "../../../../clients/registry/ecr";

// From the test suite that AWS publishes for Signature Version 4.
const KEYS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const SCOPE = { region: "us-east-1", service: "service" };
const NOW = new Date("2015-08-30T12:36:00Z");

test.each<[string, "GET" | "POST", string, Record<string, string>, string]>([
  ["get-vanilla", "GET", "/", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
  ["post-vanilla", "POST", "/", {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
  [
    "get-vanilla-query-order-key-case",
    "GET",
    "/?Param2=value2&Param1=value1",
    {},
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  ],
  [
    "post-header-key-sort",
    "POST",
    "/",
    { "my-header1": "value1" },
    "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
  ],
])("signs %s", (_, method, path, headers, signature) => {
  const url = new URL(path, "https://example.amazonaws.com");
  const { authorization } = signedHeaders({ method, url, headers, body: "" }, KEYS, SCOPE, NOW);
  const [, found] =
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=(\w+)$/.exec(
      authorization!,
    )!;
  expect(found).toBe(signature);
});

test.each([
  ["123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"],
  ["123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"],
  ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"],
  ["123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"],
  ["123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", undefined],
  ["public.ecr.aws", undefined],
  ["registry.example.com", undefined],
])("returns the region of %s", (registry, region) => {
  expect(ecrRegion(registry)).toBe(region);
});

describe("credentials", () => {
  const REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
  const IDENTITY = { uri: "http://169.254.170.23/v1/credentials", token: "pod-token\n" };
  const SECRETS = /secret-key|session-token|ecr-password|pod-token/;
  const keys = JSON.stringify({ AccessKeyId: "AKID", SecretAccessKey: "secret-key", Token: "session-token" });
  const token = Buffer.from("AWS:ecr-password:with-colon").toString("base64");
  const password = JSON.stringify({ authorizationData: [{ authorizationToken: token }] });

  const respondWith = (...all: readonly { readonly status: number; readonly text: string }[]) => {
    const left = [...all];
    return jest.fn<ReturnType<Fetch>, Parameters<Fetch>>(async () => left.shift()!);
  };

  test("exchanges the pod's identity for a password of the registry", async () => {
    const fetch = respondWith({ status: 200, text: keys }, { status: 200, text: password });
    expect(await ecrCredentials(REGISTRY, IDENTITY, fetch, NOW)).toEqual({
      username: "AWS",
      password: "ecr-password:with-colon",
    });
    const [[first], [second]] = fetch.mock.calls as [Parameters<Fetch>, Parameters<Fetch>];
    expect(first).toMatchObject({ method: "GET", headers: { authorization: "pod-token" } });
    expect(second.url.href).toBe("https://api.ecr.eu-central-1.amazonaws.com/");
    expect(second.headers).toMatchObject({
      "x-amz-security-token": "session-token",
      "x-amz-date": "20150830T123600Z",
    });
    // Computed with another implementation of Signature Version 4.
    expect(second.headers["authorization"]).toBe(
      "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-central-1/ecr/aws4_request, " +
        "SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target, " +
        "Signature=f27f7ec44e3fccba79b17a9c07fb4fa59bb6b302dea2e78ecaa0123f85059c17",
    );
  });

  test.each([
    [[{ status: 400, text: keys }], "169.254.170.23 issues no credentials: HTTP 400"],
    [[{ status: 200, text: '{"AccessKeyId":"AKID"' }], "the response of 169.254.170.23 has no credentials"],
    [
      [
        { status: 200, text: keys },
        { status: 400, text: '{"__type":"AccessDeniedException","message":"not you"}' },
      ],
      "400 AccessDeniedException not you",
    ],
    [
      [
        { status: 200, text: keys },
        { status: 200, text: '{"authorizationData":[]}' },
      ],
      "the response of api.ecr.eu-central-1.amazonaws.com has no password",
    ],
  ])("reports a rejection, without secrets (%#)", async (all, why) => {
    const sending = ecrCredentials(REGISTRY, IDENTITY, respondWith(...all), NOW);
    await expect(sending).rejects.toThrow(why);
    await expect(sending).rejects.not.toThrow(SECRETS);
  });

  test.each(["http://attacker.example/", "ftp://169.254.170.23/", "nothing"])(
    "sends no token to %s",
    async (uri) => {
      const fetch = respondWith();
      await expect(ecrCredentials(REGISTRY, { ...IDENTITY, uri }, fetch)).rejects.toThrow(
        "neither https nor an agent",
      );
      expect(fetch).not.toHaveBeenCalled();
    },
  );
});

describe("deletion of an image", () => {
  const REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
  const IDENTITY = { uri: "http://169.254.170.23/v1/credentials", token: "pod-token\n" };
  const SECRETS = /secret-key|session-token|pod-token/;
  const keys = JSON.stringify({ AccessKeyId: "AKID", SecretAccessKey: "secret-key", Token: "session-token" });
  const digest = `sha256:${"a".repeat(64)}`;
  const image = { registry: REGISTRY, repository: "team/checkpoints", digest };
  const responding = (response: Awaited<ReturnType<Fetch>>) =>
    jest
      .fn<ReturnType<Fetch>, Parameters<Fetch>>()
      .mockResolvedValueOnce({ status: 200, text: keys })
      .mockResolvedValueOnce(response);
  const failure = (failureCode: string) =>
    JSON.stringify({
      imageIds: [],
      failures: [{ failureCode, failureReason: "why", imageId: { imageDigest: digest } }],
    });

  test("requests it by digest, of exactly this repository", async () => {
    const fetch = responding({
      status: 200,
      text: JSON.stringify({ imageIds: [{ imageDigest: digest }], failures: [] }),
    });
    expect(await deleteEcrImage(image, IDENTITY, fetch, NOW)).toBe(true);
    const [, [request]] = fetch.mock.calls as [unknown, [Parameters<Fetch>[0]]];
    expect(request.url.href).toBe("https://api.ecr.eu-central-1.amazonaws.com/");
    expect(request.headers["x-amz-target"]).toBe("AmazonEC2ContainerRegistry_V20150921.BatchDeleteImage");
    expect(request.headers["authorization"]).toContain("/eu-central-1/ecr/aws4_request");
    expect(JSON.parse(request.body ?? "")).toEqual({
      registryId: "123456789012",
      repositoryName: "team/checkpoints",
      imageIds: [{ imageDigest: digest }],
    });
  });

  test("says that there was none", async () => {
    expect(
      await deleteEcrImage(image, IDENTITY, responding({ status: 200, text: failure("ImageNotFound") })),
    ).toBe(false);
  });

  test.each<[string, number, string, object]>([
    [
      "a failure of the image",
      200,
      failure("ImageReferencedByManifestList"),
      { code: "ImageReferencedByManifestList" },
    ],
    ["a response without the image", 200, "{}", { status: 200 }],
    ["no JSON", 200, "ok", { status: 200 }],
    [
      "no permission",
      400,
      JSON.stringify({
        __type: "AccessDeniedException",
        message: "is not authorized to perform: ecr:BatchDeleteImage",
      }),
      {
        status: 400,
        code: "AccessDeniedException",
        reason: "is not authorized to perform: ecr:BatchDeleteImage",
      },
    ],
  ])("reports %s", async (_, status, text, expected) => {
    const error: unknown = await deleteEcrImage(image, IDENTITY, responding({ status, text })).catch(
      (one: unknown) => one,
    );
    expect(error).toMatchObject({ name: "RegistryError", ...expected });
    expect((error as Error).message).not.toMatch(SECRETS);
  });

  test("reports that ECR cannot be reached, to be retried", async () => {
    const fetch = jest
      .fn<ReturnType<Fetch>, Parameters<Fetch>>()
      .mockRejectedValue(new Error("connect ETIMEDOUT"));
    await expect(deleteEcrImage(image, IDENTITY, fetch)).rejects.toMatchObject({ retryable: true });
  });
});
