import { readPlatform } from "../../../../config/platform/file";

test.each([".inf", "1.5"])("reports a problem of each of 150 000 items %s", (item) => {
  const { problems } = readPlatform(
    `version: 1\nnodeGroups: [{ instanceTypes: [${`${item},`.repeat(150_000)}] }]\n`,
  );
  expect(problems?.length).toBeGreaterThanOrEqual(150_000);
});
