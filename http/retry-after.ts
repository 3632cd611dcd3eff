/** Reads the header Retry-After (RFC 9110, 10.2.3): seconds or a date. @returns ms; undefined if it cannot be read */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  // A delay that no timer can wait for is ignored.
  if (/^\d+$/.test(header)) return finite(Number(header) * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}
