/** The default install. */
exports.INSTALL = {
  engine: {
    kind: "cedana",
    clusterId: "5f0c4a1e-8a52-4c38-9d3a-0d8b1e7f6a90",
    url: "https://sandbox.cedana.ai",
  },
};

/** Returns a cluster with network and the given number of node groups. */
exports.platform = (nodeGroups) => ({
  cluster: {
    name: "bench",
    version: "1.35",
    region: "eu-west-1",
    accessEntries: [
      {
        name: "admins",
        principalArn: "arn:aws:iam::123456789012:role/PlatformAdmin",
        policies: [{ policy: "AmazonEKSClusterAdminPolicy" }],
      },
    ],
  },
  network: { cidr: "10.20.0.0/16" },
  nodeGroups: Array.from({ length: nodeGroups }, (_, index) => ({
    name: `group-${index}`,
    instanceTypes: ["m7i.2xlarge"],
    scaling: { min: 1, max: 10 },
  })),
});
