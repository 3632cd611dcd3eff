/** An IAM policy document. Keys keep the order they are written in, so that the text never changes by itself. */
export function policyDocument(...statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** Trust policy for one AWS service. */
export function serviceTrust(service: string, ...actions: readonly string[]): string {
  return policyDocument({
    Effect: "Allow",
    Principal: { Service: service },
    Action: ["sts:AssumeRole", ...actions],
  });
}
