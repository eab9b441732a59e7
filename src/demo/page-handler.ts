import type { RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { pageFiles } from '../pages/page-files.ts'
import { type PageSettings, withSettings } from './page-settings.ts'
import type { RequestGuard } from './request-guard.ts'
import type { SqlRunner } from './sql-runner.ts'

/** The built client for browsers. */
const CLIENT = createRequire(import.meta.url).resolve('waterline-changefeed/client.min.js')
const MAX_SQL_BYTES = 64 * 1024

export interface PageHandlerOptions {
  readonly requestGuard: RequestGuard
  readonly settings: PageSettings
  /** Null if the page may not run SQL. */
  readonly runner: SqlRunner | null
  /** Restores the initial data. */
  reset(): Promise<void>
}

/** Serves the page, its files, and its requests to run SQL and to reset the data. */
export async function pageHandler({
  requestGuard,
  settings,
  runner,
  reset,
}: PageHandlerOptions): Promise<RequestListener> {
  const files = await pageFiles(join(import.meta.dirname, 'page'), [CLIENT])
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(async (context, next) => {
    if (!requestGuard.isOurHost(context.env.incoming.headers)) return context.text('Unknown host.', 421)
    for (const [name, value] of Object.entries(headers(requestGuard))) context.header(name, value)
    return await next()
  })
  app.get('/', context => context.html(withSettings(files.get('index.html')?.content ?? '', settings)))
  app.get('/page/:name', context => {
    const file = files.get(context.req.param('name'))
    return file ? context.body(file.content, 200, { 'content-type': file.type }) : context.notFound()
  })
  app.on('POST', ['/sql', '/reset'], async (context, next) => {
    const refusal = requestGuard.refusalOfWrite(context.env.incoming.headers)
    return refusal === undefined ? await next() : context.json({ error: { message: refusal } }, 403)
  })
  app.use('/sql', bodyLimit({ maxSize: MAX_SQL_BYTES, onError: context => context.json(TOO_LONG, 413) }))
  app.post('/sql', async context => {
    if (!runner) return context.json({ error: { message: OFF } }, 403)
    const { sql } = await context.req.json<{ sql?: unknown }>().catch(() => ({ sql: undefined }))
    if (typeof sql !== 'string') return context.json({ error: { message: 'Send {"sql": "..."}.' } }, 400)
    return context.json(await runner.run(sql))
  })
  app.post('/reset', async context => {
    await reset()
    return context.json({})
  })
  return getRequestListener(app.fetch)
}

const OFF = 'The page only runs SQL on the embedded Postgres of the demo.'
const TOO_LONG = { error: { message: `The SQL is longer than ${MAX_SQL_BYTES / 1024} kB.` } }

/** Blocks external resources, caching, and framing by other pages (clickjacking). */
const headers = (requestGuard: RequestGuard) => ({
  'content-security-policy':
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; ` +
    `connect-src 'self' ${requestGuard.socketOrigins.join(' ')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
})
