import { nearest } from "../../../../config/schema/issues";

test.each([
  [
    "repositoryPerNamespaces",
    ["kind", "image", "repository", "repositoryPerNamespace"],
    "repositoryPerNamespace",
  ],
  ["warning", ["gate", "warn"], "warn"],
  ["repositories-of-teams", ["repo", "repositories"], "repositories"],
  ["regio", ["name", "region"], "region"],
  ["entirely", ["name", "region"], undefined],
])("%s is near %s: %s", (word, known, expected) => {
  expect(nearest(word, known)).toBe(expected);
});
