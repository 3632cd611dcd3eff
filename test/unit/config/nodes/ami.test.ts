import { compareVersions, findAmi, KUBERNETES_MINORS, parseInstanceType } from "../../../../config";

test("lists the five Amazon Linux 2023 images for every supported minor version", () => {
  for (const minor of KUBERNETES_MINORS) {
    const types = (["x86_64", "arm64"] as const).flatMap((architecture) =>
      (["none", "nvidia", "neuron"] as const).map(
        (accelerator) => findAmi(minor, architecture, accelerator).ami?.amiType,
      ),
    );
    expect(types).toEqual([
      "AL2023_x86_64_STANDARD",
      "AL2023_x86_64_NVIDIA",
      "AL2023_x86_64_NEURON",
      "AL2023_ARM_64_STANDARD",
      "AL2023_ARM_64_NVIDIA",
      undefined,
    ]);
  }
});

test.each([
  ["1.32", "none", "6.1"],
  ["1.32", "neuron", "6.1"],
  ["1.32", "nvidia", "6.12"],
  ["1.33", "none", "6.12"],
  ["1.35", "nvidia", "6.12"],
  ["1.36", "none", "6.18"],
  ["1.37", "nvidia", "6.18"],
] as const)("Kubernetes %s with accelerator %s has kernel %s", (minor, accelerator, kernel) => {
  expect(findAmi(minor, "x86_64", accelerator).ami?.kernel).toBe(kernel);
});

test("lists kernel, containerd and accelerator of an image", () => {
  expect(findAmi("1.34", "arm64", "nvidia").ami).toEqual({
    amiType: "AL2023_ARM_64_NVIDIA",
    ssmParameter: "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/arm64/nvidia/recommended/image_id",
    kernel: "6.12",
    containerdSchema: 3,
    defaultRuntime: "nvidia",
    runtimeBinary: "/usr/bin/nvidia-container-runtime",
  });
  expect(findAmi("1.34", "x86_64", "neuron").ami).toMatchObject({
    defaultRuntime: "runc",
    runtimeBinary: "/usr/sbin/runc",
  });
});

test.each(["1.31", "1.38", "", "2.0"])("finds no image for Kubernetes %j", (minor) => {
  expect(findAmi(minor, "x86_64", "none").problems?.map(({ code }) => code)).toEqual(["unsupported-version"]);
});

test("compares versions by number", () => {
  expect(compareVersions("6.12", "6.1")).toBeGreaterThan(0);
  expect(compareVersions("5.10", "6.1")).toBeLessThan(0);
  expect(compareVersions("1.34.9-20260714", "1.34")).toBe(0);
});

// Names and hardware: EC2 instance type naming conventions, and the pages of the families.
test.each([
  ["m7i.2xlarge", "x86_64", "none"],
  ["m7i-flex.large", "x86_64", "none"],
  ["c7gn.xlarge", "arm64", "none"],
  ["t4g.micro", "arm64", "none"],
  ["a1.large", "arm64", "none"],
  ["x2gd.medium", "arm64", "none"],
  ["x2iedn.metal", "x86_64", "none"],
  ["im4gn.large", "arm64", "none"],
  ["is4gen.large", "arm64", "none"],
  ["hpc7g.16xlarge", "arm64", "none"],
  ["u-6tb1.metal", "x86_64", "none"],
  ["u7i-12tb.224xlarge", "x86_64", "none"],
  ["g4dn.xlarge", "x86_64", "nvidia"],
  ["g4ad.xlarge", "x86_64", "none"],
  ["g5.48xlarge", "x86_64", "nvidia"],
  ["g5g.xlarge", "arm64", "nvidia"],
  ["g6e.xlarge", "x86_64", "nvidia"],
  ["gr6.4xlarge", "x86_64", "nvidia"],
  ["p5en.48xlarge", "x86_64", "nvidia"],
  ["p6-b200.48xlarge", "x86_64", "nvidia"],
  ["p6e-gb200.36xlarge", "arm64", "nvidia"],
  ["inf2.xlarge", "x86_64", "neuron"],
  ["trn1n.32xlarge", "x86_64", "neuron"],
  ["dl1.24xlarge", "x86_64", "none"],
] as const)("%s is %s with %s", (name, architecture, accelerator) => {
  expect(parseInstanceType(name)).toEqual({ architecture, accelerator });
});

test.each(["mac2.metal", "quantum1.large", "m7i", "M7i.large", ""])(
  "returns nothing for the unknown type %j",
  (name) => {
    expect(parseInstanceType(name)).toBeUndefined();
  },
);
