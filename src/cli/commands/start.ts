import { setTimeout as sleep } from 'node:timers/promises'
import { type Backoff, backoffMs } from '../../backoff.ts'
import type { Changefeed } from '../../changefeed.ts'
import { connectClient } from '../../db/connect.ts'
import { examine } from '../../doctor/doctor.ts'
import { ChangefeedError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { type Monitor, startMonitor } from '../../monitor/monitor.ts'
import { CommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import { createLog } from '../log.ts'
import { openPublishTarget, type PublishTarget } from '../publish-target.ts'
import { secretsOf } from '../run-command.ts'
import { hider } from '../secrets.ts'
import type { ProgramSettings } from '../settings.ts'
import { terminal } from '../terminal.ts'

const RETRY: Backoff = { firstMs: 500, lastMs: 10_000 }
/** Stopping waits only for the change being published. */
const DRAIN_MS = 15_000

/**
 * Runs until a signal and reconnects after failures. The first signal stops in order and hands over leadership; a
 * second one ends the process at once.
 */
export async function start(settings: ProgramSettings): Promise<number> {
  const logger = createLog({ level: settings.logLevel, hide: hider(secretsOf(settings)), to: terminal.out })
  const context = new CommandContext(settings, target => logger.info('The listener starts', target))
  const closing: (() => Promise<unknown>)[] = [() => context.close()]
  try {
    return await run(context, logger, close => closing.unshift(close))
  } finally {
    for (const close of closing) await close().catch(() => {})
  }
}

async function run(
  context: CommandContext,
  logger: Logger,
  atEnd: (close: () => Promise<unknown>) => void,
): Promise<number> {
  const { settings } = context
  const signal = endOnSignal(logger)
  if (settings.serve) await databaseThere(context, logger, signal)
  if (signal.aborted) return EXIT.ok
  const target = await openPublishTarget(context, logger)
  atEnd(() => target.close())
  const feed = await context.feed({ ...target.options, logger })
  target.attach(feed)
  const monitor = await openMonitor(context, { feed, target, logger })
  if (monitor) atEnd(() => monitor.close())
  const ending = ended(feed, signal)
  await retryUntilAvailable(logger, signal, () => feed.start())
  if (!signal.aborted) logger.info('The listener is ready', { ...summary(feed), by: target.by })
  const uninstalled = await ending
  if (uninstalled) throw uninstalled
  await feed.stop()
  logger.info('The listener has stopped; the next one publishes the remaining changes')
  return EXIT.ok
}

const summary = (feed: Changefeed) => {
  const { role, models, node } = feed.status()
  return { role, models: models.length, node }
}

interface MonitoredParts {
  readonly feed: Changefeed
  readonly target: PublishTarget
  readonly logger: Logger
}

async function openMonitor(context: CommandContext, { feed, target, logger }: MonitoredParts): Promise<Monitor | null> {
  const { httpPort, httpHost, token, readyLagMs } = context.settings
  if (httpPort === false) return null
  const db = await context.database('monitor')
  const { settings, models } = await context.feedSettings()
  const monitor = await startMonitor({
    feed,
    db,
    host: httpHost,
    port: httpPort,
    token,
    replayTo: { settings: { ...settings, logger }, models, publisher: target.replayPublisher, by: target.by },
    lagLimitMs: readyLagMs,
    examine: async () => (await examine(db, settings, models)).findings,
  })
  logger.info('Status page, metrics and health checks are served', { url: `http://${httpHost}:${monitor.port}` })
  return monitor
}

/** Waits for the database, which an app may need to load its models. */
async function databaseThere({ settings: { connectionString } }: CommandContext, logger: Logger, signal: AbortSignal) {
  if (connectionString === undefined) return
  await retryUntilAvailable(logger, signal, async () => {
    const client = await connectClient({ connectionString, applicationName: 'waterline-changefeed start' }, () => {})
    await client.end()
  })
}

/** Retries while the database is unavailable, or is a standby that may be promoted. */
async function retryUntilAvailable(logger: Logger, signal: AbortSignal, task: () => Promise<void>) {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      return await task()
    } catch (error) {
      const passing = error instanceof ChangefeedError && ['E_CONNECT', 'E_STANDBY'].includes(error.code)
      if (!passing) throw error
      logger.warn('The database is unavailable; retrying', { error: error.message })
      await sleep(backoffMs(attempt, RETRY), undefined, { signal }).catch(() => {})
    }
  }
}

function endOnSignal(logger: Logger): AbortSignal {
  const controller = new AbortController()
  const end = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(EXIT.unexpected)
    logger.info('Stopping after the current change; a second signal ends the process at once', { signal })
    controller.abort()
    setTimeout(() => {
      logger.error('Stopping took too long')
      process.exit(EXIT.unexpected)
    }, DRAIN_MS).unref()
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  return controller.signal
}

/** Resolves on a signal, or with an error if the feed stops by itself. */
const ended = (feed: Changefeed, signal: AbortSignal) =>
  new Promise<Error | undefined>(resolve => {
    feed.once('stopped', resolve)
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
