/** How many expressions stay compiled: each of them takes memory, and users write them. */
import * as cel from "../../../../config/cel";
import { expression } from "../../../../controller/policies/filters/expression";

jest.mock("../../../../config/cel", () => {
  const real = jest.requireActual<typeof cel>("../../../../config/cel");
  return { ...real, compilePodExpression: jest.fn(real.compilePodExpression) };
});

test("keeps the 500 expressions that were used last", () => {
  const compile = jest.mocked(cel.compilePodExpression);
  const use = (index: number) => expression.problem?.(`pod.metadata.name == 'n${index}'`);
  for (let index = 0; index < 500; index++) use(index);
  use(0);
  expect(compile).toHaveBeenCalledTimes(500);
  use(500);
  use(0);
  expect(compile).toHaveBeenCalledTimes(501);
  use(1);
  expect(compile).toHaveBeenCalledTimes(502);
});
