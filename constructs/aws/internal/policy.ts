/** Returns an IAM policy document. Keys keep their order, so that the text is stable. */
export function policyDocument(...statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** Returns the trust policy for one AWS service. */
export function serviceTrust(service: string, ...actions: readonly string[]): string {
  return policyDocument({
    Effect: "Allow",
    Principal: { Service: service },
    Action: ["sts:AssumeRole", ...actions],
  });
}
