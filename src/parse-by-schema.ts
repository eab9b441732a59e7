import type { z } from 'zod'
import { ChangefeedError, type ErrorCode } from './errors.ts'

type Issue = z.core.$ZodIssue

interface Wording {
  /** @default 'E_OPTIONS' */
  readonly code?: ErrorCode
  /** A sentence that names what does not fit, and what it must be. @default {@link describeOption} */
  readonly describe?: (issue: Issue) => string
}

/** Parses by a schema. Throws an error with a sentence for each issue. */
export function parseBySchema<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  { code = 'E_OPTIONS', describe = describeOption }: Wording = {},
): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new ChangefeedError(code, parsed.error.issues.map(issue => describe(issue)).join(' '))
}

export function describeOption(issue: Issue): string {
  if (issue.code === 'unrecognized_keys') {
    return `There is no option ${issue.keys.map(key => `\`${[...issue.path, key].join('.')}\``).join(', ')}.`
  }
  if (issue.path.length === 0) return 'Pass an object with options.'
  return `Option \`${issue.path.join('.')}\` ${issue.message}.`
}
