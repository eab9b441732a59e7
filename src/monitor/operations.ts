import { getConnInfo } from '@hono/node-server/conninfo'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import type { Database } from '../db/connect.ts'
import { asError, ChangefeedError, type ErrorCode } from '../errors.ts'
import { capturedIdentities } from '../feed/captured-identities.ts'
import { readReplay } from '../feed/replay.ts'
import type { Logger } from '../logger.ts'
import { parseBySchema } from '../parse-by-schema.ts'
import { pauseModels, resumeModels } from '../pipeline/pauses.ts'
import type { ReplayRunner } from './replay-runner.ts'

export interface OperationParts {
  readonly db: Database
  readonly logger: Logger
  readonly replays: ReplayRunner
}

const MAX_BODY_BYTES = 100_000

/**
 * The operations over HTTP, equivalent to the commands `pause`, `resume` and `replay`. Access is checked before. Responses
 * are JSON; an error is `{ error: { message } }`.
 */
export function operations({ db, logger, replays }: OperationParts): Hono {
  const app = new Hono()
  const log = (context: Context, message: string, fields: object) =>
    logger.info(message, { ...fields, address: getConnInfo(context).remote.address })
  app.use(onlyJson, bodyLimit({ maxSize: MAX_BODY_BYTES, onError: context => refuse(context, 413, TOO_LONG) }))
  app.post('/pause', async context => {
    const { models } = await bodyOf(context, someModels)
    const paused = await pauseModels(db, await capturedIdentities(db, models))
    log(context, 'Paused models over HTTP', { models: paused })
    return context.json({ paused })
  })
  app.post('/resume', async context => {
    const { models } = await bodyOf(context, someModels)
    const resumed = await resumeModels(db, await capturedIdentities(db, models))
    log(context, 'Resumed models over HTTP', { models: resumed })
    return context.json({ resumed })
  })
  app.post('/replay/count', async context => {
    const request = await bodyOf(context, aReplay)
    const { since, until, total, counts } = await readReplay(db, request)
    // Returns resolved times, so that the replay covers exactly the counted changes.
    return context.json({ since: since.time ?? request.since, until, total, counts })
  })
  app.post('/replay', async context => {
    const replay = await readReplay(db, await bodyOf(context, aReplay))
    replays.start(replay)
    log(context, 'Started a replay over HTTP', { models: replays.progress?.models, total: replay.total })
    return context.json({ total: replay.total }, 202)
  })
  app.post('/replay/stop', async context => {
    await replays.stop()
    log(context, 'Stopped the replay over HTTP', {})
    return context.json({})
  })
  app.onError((error, context) => {
    const status = error instanceof ChangefeedError ? STATUS[error.code] : undefined
    if (status === undefined) logger.error('An operation over HTTP failed', { error: asError(error).message })
    return refuse(context, status ?? 500, error.message)
  })
  return app
}

const models = z.array(z.string().max(200), 'must be a list of identities').nonempty('must contain a model').max(1_000)
const text = z.string('must be a string').min(1, 'must not be empty').max(200)
const someModels = anObject({ models })
const aReplay = anObject({ since: text, until: text.optional(), models: models.optional() })

/** Keeps zod's own message for unknown keys. */
function anObject<Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? undefined : 'must be an object'),
  })
}

const STATUS: Partial<Record<ErrorCode, 400 | 409>> = { E_USAGE: 400, E_STATE: 409 }
const TOO_LONG = `The body is longer than ${MAX_BODY_BYTES} bytes.`

/** Rejects forms of other sites, which cannot send JSON. */
const onlyJson: MiddlewareHandler = async (context, next) => {
  if (/^application\/json\s*(;|$)/i.test(context.req.header('content-type') ?? '')) return await next()
  return refuse(context, 415, 'Send JSON, with content-type: application/json.')
}

/** Throws `E_USAGE` with each invalid part of the body. */
async function bodyOf<T>(context: Context, schema: z.ZodType<T>): Promise<T> {
  const body: unknown = await context.req.json().catch(cause => {
    throw new ChangefeedError('E_USAGE', 'The body is not valid JSON.', { cause })
  })
  const describe = ({ path, message }: z.core.$ZodIssue) => `${['body', ...path].join('.')}: ${message}.`
  return parseBySchema(schema, body, { code: 'E_USAGE', describe })
}

const refuse = (context: Context, status: 400 | 409 | 413 | 415 | 500, message: string) =>
  context.json({ error: { message } }, status)
