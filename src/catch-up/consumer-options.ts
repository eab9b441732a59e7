import { z } from 'zod'
import { PUBLISHER } from '../change-log/position.ts'
import { ChangefeedError } from '../errors.ts'
import type { Models } from '../models/model.ts'
import { parseBySchema } from '../parse-by-schema.ts'

export interface ConsumerOptions {
  /** Under which its position is kept: letters, digits, `.`, `_`, `-`. */
  name: string
  /**
   * Where a consumer of that name begins that does not exist yet: `now`, `oldest` (what the change log still has), a cursor,
   * a time (`2026-01-31T12:00:00Z`), or how long ago (`10m`). @default 'now'
   */
  from?: string
  /** Identities of the models that it receives. @default all of the feed */
  models?: readonly string[]
  /** How many changes are read ahead. @default 1_000 */
  batchSize?: number
  /** Ends the iteration. */
  signal?: AbortSignal
}

const isSignal = (value: unknown) =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value

/** The options with every default in place. */
export type ParsedConsumerOptions = Required<Omit<ConsumerOptions, 'models' | 'signal'>> &
  Pick<ConsumerOptions, 'models' | 'signal'>

const schema = z.strictObject(
  {
    name: z
      .string('must be a name')
      .regex(/^[\w.-]{1,63}$/, 'must be 1 to 63 letters, digits, dots, underscores or hyphens')
      .refine(name => name !== PUBLISHER, `must not be '${PUBLISHER}', which is the feed itself`),
    from: z.string("must be 'now', 'oldest', a cursor, a time or a duration such as '10m'").default('now'),
    models: z.array(z.string(), 'must be a list of model identities').readonly().optional(),
    batchSize: z
      .int('must be a whole number')
      .min(1, 'must be 1 or more')
      .max(100_000, 'must be 100000 or less')
      .default(1_000),
    signal: z.custom<AbortSignal>(isSignal, 'must be an AbortSignal').optional(),
  },
  "must be an object such as { name: 'search-index' }",
)

/** Throws `E_OPTIONS`, naming each option that does not fit, and models that the feed does not have. */
export function parseConsumerOptions(options: ConsumerOptions, models: Models): ParsedConsumerOptions {
  const parsed = parseBySchema(schema, options)
  const unknown = parsed.models?.find(identity => !models.has(identity))
  if (unknown === undefined) return parsed as ParsedConsumerOptions
  throw new ChangefeedError(
    'E_OPTIONS',
    `Option \`models\` names \`${unknown}\`, which this feed does not capture. It has: ${[...models.keys()].join(', ')}.`,
  )
}
