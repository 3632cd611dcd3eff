/** What a registry wants before it serves a request: one challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case: `realm`, `service`, `scope`, `error`. */
  readonly parameters: Readonly<Record<string, string>>;
}

const SCHEME = /\s*([A-Za-z][\w-]*)(?=[\s,]|$)/y;
const PARAMETER = /\s*([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)?/y;

/** All challenges of the header, in order (RFC 9110, 11.6.1). What cannot be read ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  for (;;) {
    SCHEME.lastIndex = at;
    const scheme = SCHEME.exec(header);
    if (!scheme) return challenges;
    at = SCHEME.lastIndex;
    const parameters: Record<string, string> = {};
    for (;;) {
      PARAMETER.lastIndex = at;
      const found = PARAMETER.exec(header);
      if (!found) break;
      at = PARAMETER.lastIndex;
      parameters[found[1]!.toLowerCase()] = found[2]?.replaceAll(/\\(.)/g, "$1") ?? found[3] ?? "";
    }
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters });
    while (/[\s,]/.test(header[at] ?? "")) at++;
  }
}
