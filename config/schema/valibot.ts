/**
 * Re-exports what schemas use of valibot. tsc copies all 320 names of a CommonJS module at each import by namespace and each
 * `export *`, at every start.
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
