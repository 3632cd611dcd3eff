import { formOf, list, object, oneOf, optional, pattern, string, text, textMap, type Infer } from "./schema";

/** Maximum length of a label's key: a DNS subdomain, a slash and a name. */
const MAX_KEY = 317;
/** Maximum length of a label's value. */
const MAX_VALUE = 63;
/** Maximum number of requirements and of values. It limits the cost of the validation rules. */
const REQUIREMENTS = 32;

const LABEL_KEY = pattern(
  "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
  "a key of a label, such as app or example.com/app",
);
const LABEL_VALUE = pattern(
  "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$",
  "letters, digits, -, _ and ., with a letter or digit at both ends",
);

/** Operators of a requirement, as in a LabelSelector. */
export const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

const requirement = object(
  undefined,
  {
    key: text("Key of the label.", MAX_KEY, { pattern: LABEL_KEY }),
    operator: oneOf("How the label is compared.", OPERATORS),
    values: optional(
      list("Values of the label.", string("Value.", { maxLength: MAX_VALUE, pattern: LABEL_VALUE }), {
        maxItems: REQUIREMENTS,
        merge: "atomic",
      }),
    ),
  },
  [
    {
      rule: "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
      message:
        "values are required with the operators In and NotIn, and not allowed with Exists and DoesNotExist",
    },
  ],
);

/** Returns the schema of a selector by labels. */
export function selector(description: string) {
  return object(
    description,
    {
      matchLabels: optional(
        textMap("Labels with their values. All must be equal.", {
          maxProperties: REQUIREMENTS,
          maxLength: MAX_VALUE,
        }),
      ),
      matchExpressions: optional(
        list("Requirements. All must hold.", requirement, { maxItems: REQUIREMENTS, merge: "atomic" }),
      ),
    },
    [
      {
        rule: `!has(self.matchLabels) || self.matchLabels.all(key, size(key) <= ${MAX_KEY} && key.matches('${LABEL_KEY}'))`,
        message: "matchLabels has a key that no label can have",
      },
      {
        rule: `!has(self.matchLabels) || self.matchLabels.all(key, self.matchLabels[key].matches('${LABEL_VALUE}'))`,
        message: `matchLabels has a value that no label can have; allowed: ${formOf(LABEL_VALUE)}`,
      },
      {
        rule: "!has(self.matchLabels) || !has(self.matchExpressions) || self.matchExpressions.all(one, !(one.key in self.matchLabels) || (one.operator != 'DoesNotExist' && (one.operator != 'NotIn' || !(self.matchLabels[one.key] in one.values)) && (one.operator != 'In' || self.matchLabels[one.key] in one.values)))",
        message: "selects nothing: matchExpressions contradict matchLabels",
      },
      {
        rule: "!has(self.matchExpressions) || self.matchExpressions.all(a, a.operator in ['NotIn', 'DoesNotExist'] || self.matchExpressions.all(b, a.key != b.key || (b.operator != 'DoesNotExist' && (a.operator != 'In' || b.operator == 'Exists' || (b.operator == 'In' ? a.values.exists(value, value in b.values) : a.values.exists(value, !(value in b.values)))))))",
        message: "selects nothing: matchExpressions contradict each other",
      },
    ],
  );
}

export type LabelSelector = Infer<ReturnType<typeof selector>>;
