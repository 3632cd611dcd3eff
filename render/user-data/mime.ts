/**
 * EC2 user data of several parts: a MIME multipart document. cloud-init and nodeadm read it; EKS and Karpenter append parts.
 * They ignore a part that they cannot find without an error, so this module has the only writer, and a reader that returns
 * exactly what was written.
 */
import type { Problem } from "../../config/schema";
import { printable } from "../../config/schema";

export const NODE_CONFIG_TYPE = "application/node.eks.aws";
export const SHELL_TYPE = 'text/x-shellscript; charset="utf-8"';

export interface MimePart {
  /** Media type, with parameters if any, on one line. */
  readonly contentType: string;
  readonly content: string;
}

const BOUNDARY = "cedana-node";

/**
 * Returns the parts as one document with LF line ends. The output is deterministic.
 * @throws RangeError for a content type that is not one line of ASCII.
 */
export function writeMime(parts: readonly MimePart[]): string {
  const boundary = freeBoundary(parts);
  const written = parts.map(({ contentType, content }) => {
    if (!/^[\x21-\x7e]+\/[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(contentType)) {
      throw new RangeError(`${printable(contentType)} is not a content type`);
    }
    return `--${boundary}\nContent-Type: ${contentType}\n\n${content}\n`;
  });
  return `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="${boundary}"\n\n${written.join("")}--${boundary}--\n`;
}

/** Returns a boundary that starts no line of any part. A counter and not random, so that the output is deterministic. */
function freeBoundary(parts: readonly MimePart[]): string {
  for (let count = 0; ; count += 1) {
    const boundary = count === 0 ? BOUNDARY : `${BOUNDARY}-${count}`;
    if (!parts.some(({ content }) => content.includes(`--${boundary}`))) return boundary;
  }
}

export type MimeDocument =
  | { readonly parts: readonly MimePart[]; readonly problems?: undefined }
  | { readonly parts?: undefined; readonly problems: readonly Problem[] };

/**
 * Returns the parts of a document as nodeadm and cloud-init find them. Line ends may be LF or CRLF. Reports what those readers
 * ignore silently: a boundary other than the header's, nested parts, a missing end.
 */
export function readMime(text: string): MimeDocument {
  const newline = /^[^\n]*\r\n/.test(text) ? "\r\n" : "\n";
  const [header, body] = cut(text, newline + newline);
  const boundary = boundaryOf(headerOf(header, newline, "content-type") ?? "");
  if (boundary === undefined || body === undefined) {
    return problem("invalid-multipart", "is not a MIME multipart document with a boundary in its header");
  }
  // Every delimiter is at the start of a line, so the newline before it belongs to the delimiter.
  const pieces = `${newline}${body}`.split(`${newline}--${boundary}`);
  const last = pieces.pop() ?? "";
  if (pieces.length === 0) return problem("missing-part", `has no part: no line equals --${boundary}`);
  if (!last.startsWith("--"))
    return problem("missing-end", `does not end with --${boundary}--: the last part may be truncated`);
  const parts: MimePart[] = [];
  const problems: Problem[] = [];
  pieces.slice(1).forEach((piece, index) => {
    if (!piece.startsWith(newline)) {
      problems.push(
        partProblem(
          index,
          "boundary-mismatch",
          `the previous part has a line that only starts with --${boundary}`,
        ),
      );
      return;
    }
    // In an empty part, the line end after the headers can be the one that belongs to the next delimiter.
    const [head, content = piece.endsWith(newline) ? "" : undefined] = cut(
      piece.slice(newline.length),
      newline + newline,
    );
    const contentType = headerOf(head, newline, "content-type");
    if (content === undefined || contentType === undefined) {
      problems.push(
        partProblem(
          index,
          "missing-content-type",
          "has no Content-Type, so cloud-init and nodeadm ignore it",
        ),
      );
    } else if (/^multipart\//i.test(contentType)) {
      problems.push(
        partProblem(index, "nested-multipart", "is itself multipart, and nodeadm ignores nested parts"),
      );
    } else {
      parts.push({ contentType, content });
    }
  });
  return problems.length > 0 ? { problems } : { parts };
}

function boundaryOf(contentType: string): string | undefined {
  const match = /^multipart\/[^;]+;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

/** Returns the value of a header, with its continuation lines. */
function headerOf(head: string, newline: string, name: string): string | undefined {
  const unfolded = head.replaceAll(/\r?\n[ \t]+/g, " ");
  for (const line of unfolded.split(newline)) {
    const colon = line.indexOf(":");
    if (colon > 0 && line.slice(0, colon).trim().toLowerCase() === name) return line.slice(colon + 1).trim();
  }
  return undefined;
}

function cut(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function partProblem(index: number, code: string, message: string): Problem {
  return { code, path: ["parts", index], message };
}

function problem(code: string, message: string): MimeDocument {
  return { problems: [{ code, path: [], message }] };
}
