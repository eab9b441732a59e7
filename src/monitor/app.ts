import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { secureHeaders } from 'hono/secure-headers'
import type { Changefeed } from '../changefeed.ts'
import type { Database } from '../db/connect.ts'
import { type DatabaseStatus, readStatus } from '../doctor/status.ts'
import type { Node } from '../leader/nodes.ts'
import type { Logger } from '../logger.ts'
import type { PageFile } from '../pages/page-files.ts'
import { Access } from './access.ts'
import { ALIVE, readReadiness } from './health.ts'
import type { Inspected } from './inspections.ts'
import { FeedMetrics } from './metrics.ts'
import { operations } from './operations.ts'
import type { RecentActivity } from './recent-activity.ts'
import type { ReplayRunner } from './replay-runner.ts'

export interface AppParts {
  readonly feed: Changefeed
  readonly db: Database
  readonly token?: string | undefined
  readonly lagLimitMs: number
  readonly activity: RecentActivity
  readonly files: ReadonlyMap<string, PageFile>
  readonly logger: Logger
  readonly replays: ReplayRunner
  /** How replays reach the sockets: the name of the adapter or similar. */
  readonly by: string
  /** Null before the first run of the doctor. */
  inspected(): Inspected | null
}

/** The HTTP routes. Health checks are public, all others require the token, if there is one. */
export function createApp(parts: AppParts): Hono {
  const app = new Hono()
  app.use(secureHeaders({ contentSecurityPolicy: POLICY, referrerPolicy: 'no-referrer' }))
  const access = new Access(parts.token)
  addHealth(app, parts)
  addSignIn(app, parts, access)
  app.use('/operations/*', access.admitOperation)
  app.route('/operations', operations(parts))
  app.use(access.admit)
  addFigures(app, parts, access)
  app.get('/', context => file(context, parts, 'index.html'))
  app.get('/page/:name', context => file(context, parts, context.req.param('name')))
  return app
}

const POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  connectSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
  baseUri: ["'none'"],
}

function addHealth(app: Hono, { feed, db, lagLimitMs }: AppParts) {
  app.get('/healthz', context => context.json(ALIVE))
  app.get('/readyz', async context => {
    const readiness = await readReadiness(feed, db, lagLimitMs)
    return context.json(readiness, readiness.ok ? 200 : 503)
  })
}

const SIGN_IN_FILES = ['base.css', 'monitor.css', 'mark.svg']

function addSignIn(app: Hono, parts: AppParts, access: Access) {
  app.get('/sign-in', context => file(context, parts, 'sign-in.html'))
  for (const name of SIGN_IN_FILES) app.get(`/page/${name}`, context => file(context, parts, name))
  // Limits the body, because the client is not authenticated yet.
  app.post('/sign-in', bodyLimit({ maxSize: 10_000 }), async context => {
    const { token } = await context.req.parseBody().catch((): { token?: unknown } => ({}))
    return access.signIn(context, token)
  })
  app.post('/sign-out', context => access.signOut(context))
}

function addFigures(app: Hono, { feed, db, activity, inspected, replays, by }: AppParts, access: Access) {
  const metrics = new FeedMetrics(feed, db)
  const status = new LastStatus(db)
  app.get('/metrics', async context => {
    return context.body(await metrics.text(), 200, { 'content-type': metrics.contentType })
  })
  app.get('/status.json', async context => {
    const { samples, recent } = activity
    const database = await status.read()
    return context.json({
      ...{ feed: feed.status(), database, samples, recent, inspected: inspected() },
      signedIn: access.isSignedIn(context),
      operations: { allowed: access.allowsOperations, by, replay: replays.progress },
    })
  })
}

/** Keeps the last status of the database while the database does not respond. */
class LastStatus {
  readonly #db: Database
  #last: (DatabaseStatus & { readonly readAt: number }) | null = null

  constructor(db: Database) {
    this.#db = db
  }

  async read() {
    const status = await readStatus(this.#db).catch(() => null)
    if (status) this.#last = { ...status, readAt: Date.now() }
    const last = this.#last
    return last && { ...last, isCurrent: status !== null, nodes: last.nodes.map(withTextTick) }
  }
}

/** JSON has no bigint. */
const withTextTick = (node: Node) => ({ ...node, tick: String(node.tick) })

function file(context: Context, { files }: AppParts, name: string) {
  const found = files.get(name)
  return found ? context.body(found.content, 200, { 'content-type': found.type }) : context.notFound()
}
