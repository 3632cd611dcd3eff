import { formatProblem, printable, type Problem } from "../config/schema";
import type { InitAnswers } from "./init-file";

/** Flags by the last part of the path of a property that `init` writes from them. */
const BY_PROPERTY: Readonly<Record<string, keyof InitAnswers>> = {
  name: "name",
  region: "region",
  version: "kubernetesVersion",
  principalArn: "adminArn",
  clusterId: "clusterId",
  url: "url",
  bucket: "bucket",
};

/**
 * Formats a problem of the file that `init` would write as one line with the flag of the value. The user has not seen the file.
 */
export function flagProblem(problem: Problem, answers: InitAnswers): string {
  const answer =
    (Object.keys(answers) as (keyof InitAnswers)[]).find(
      (key) => printable(answers[key]) === problem.given,
    ) ?? BY_PROPERTY[String(problem.path.at(-1))];
  if (answer === undefined) return formatProblem(problem);
  const text = formatProblem({ ...problem, path: [] });
  return text.replace("(root)", `--${answer.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
}
