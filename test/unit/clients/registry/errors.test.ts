import { checkpointIdIn } from "../../../../clients/cedana/manager/responses";
import { credentialsFor } from "../../../../clients/registry";
import { responseError } from "../../../../clients/registry/errors";
import { maskSecrets } from "../../../../config/schema";

const errorOf = (body: string, headers = {}) =>
  responseError("push", "registry.example.com/a", { status: 400, headers, body: Buffer.from(body) });

test("a code with other characters is not part of the message", () => {
  const { code, message } = errorOf(
    JSON.stringify({ errors: [{ code: "X\nINJECTED line", message: "no" }] }),
  );
  expect(code).toBeUndefined();
  expect(message).toBe("push at registry.example.com/a: 400 no");
  expect(errorOf(JSON.stringify({ errors: [{ code: "DENIED", message: "no" }] })).code).toBe("DENIED");
});

test("a secret in a response is masked, also between other words", () => {
  const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.${"s".repeat(43)}`;
  for (const text of [jwt, `token=${jwt}`, `bearer-${jwt}!`, `"${jwt}" and ${jwt}`]) {
    expect(maskSecrets(text)).toContain("[secret]");
    expect(maskSecrets(text)).not.toMatch(/eyJ/);
  }
});

/**
 * With expressions that start again at each character, these take minutes. The timeout of the tier ends the test then: no
 * time is compared.
 */
test.each(["-eyJ", "eyJ-", "eyJaaaaaaaa.eyJ-", "-----BEGIN ", "://a:", "sk-", " \n", "'"])(
  "a response of a megabyte of %j is read once",
  (piece) => {
    const text = piece.repeat(2 ** 20 / piece.length);
    expect(maskSecrets(`${text}!`).length).toBeGreaterThan(0);
    expect(errorOf(`${text}!`).reason.length).toBeLessThanOrEqual(300);
    expect(() => checkpointIdIn(`${text}!`, true)).toThrow("no checkpoint_id");
  },
);

test.each(["/", "https://", "a/"])("a key of a pull secret of a megabyte of %j is read once", (piece) => {
  const key = `${piece.repeat(2 ** 20 / piece.length)}!`;
  const auths = { [key]: { auth: "dTpw" } };
  expect(credentialsFor(JSON.stringify({ auths }), "registry.example.com", "a")).toBeUndefined();
});

test("a password that is padded with a megabyte of zeros is read once", () => {
  const auth = Buffer.from(`u:p${"\0".repeat(2 ** 20)}x`).toString("base64");
  const text = JSON.stringify({ auths: { "registry.example.com": { auth } } });
  expect(credentialsFor(text, "registry.example.com", "a")).toMatchObject({ username: "u" });
});
