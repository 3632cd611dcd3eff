/**
 * Exports what the schemas of this directory and of its neighbours use of valibot. tsc copies all 320 names of a CommonJS
 * module wherever it is imported by namespace or exported with `*`, on every start.
 */
export type * from "valibot";
export {
  _addIssue,
  IPV4_REGEX,
  IPV6_REGEX,
  array,
  boolean,
  description,
  literal,
  looseObject,
  maxLength,
  metadata,
  minLength,
  nonEmpty,
  number,
  optional,
  parse,
  picklist,
  pipe,
  rawCheck,
  record,
  safeParse,
  strictObject,
  string,
  title,
  union,
  unknown,
  variant,
} from "valibot";
