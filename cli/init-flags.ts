import { formatProblem, printable, type Problem } from "../config/schema";
import type { InitAnswers } from "./init-file";

type Answer = keyof InitAnswers;

/** Flags by the last part of the path of a property that `init` writes from them. */
const BY_PROPERTY: Readonly<Record<string, Answer>> = {
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
  const keys = Object.keys(answers) as Answer[];
  const notPlain = problem.code === "yaml-syntax" ? keys.find((key) => !isPlain(answers[key])) : undefined;
  if (notPlain !== undefined) {
    const given = printable(answers[notPlain]);
    return `${flagOf(notPlain)}  has a character that it must not have; given: ${given}`;
  }
  const answer =
    keys.find((key) => printable(answers[key]) === problem.given) ?? BY_PROPERTY[String(problem.path.at(-1))];
  if (answer === undefined) return formatProblem(problem);
  return formatProblem({ ...problem, path: [] }).replace("(root)", flagOf(answer));
}

/** Returns whether `init` can write a value without quotes. */
function isPlain(value: string | boolean): boolean {
  return /^[\w.:/@+=,-]*[^:]$/.test(String(value));
}

function flagOf(key: Answer): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
