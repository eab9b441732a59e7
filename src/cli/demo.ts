import { once } from 'node:events'
import { HIDDEN_ATTRIBUTES } from '../demo/models.ts'
import { type Demo, startDemo } from '../demo/start-demo.ts'
import { colours } from './colours.ts'
import { columnsOf, wrap } from './line-width.ts'
import { createLog } from './log.ts'
import { hider } from './secrets.ts'
import { note, print, terminal } from './terminal.ts'

export interface RunDemoOptions {
  /** @default 1337 */
  readonly port?: number | undefined
  readonly dataDir?: string | undefined
  readonly databaseUrl?: string | undefined
}

/** Runs the demo until Ctrl-C or SIGTERM. A second signal ends the process at once. */
export async function runDemo({ port = 1337, dataDir, databaseUrl }: RunDemoOptions): Promise<void> {
  const logger = createLog({ level: 'warn', hide: hider([databaseUrl]), to: process.stderr })
  const stopping = stopSignal()
  note(
    colours.dim(
      databaseUrl === undefined ? 'Starting an embedded Postgres ...' : 'Using the server of DATABASE_URL ...',
    ),
  )
  const demo = await startDemo({ port, dataDir, databaseUrl, logger })
  if (!stopping.aborted) {
    print(welcome(demo, databaseUrl === undefined))
    await aborted(stopping)
  }
  note(colours.dim('Stopping ... (Ctrl-C again to force)'))
  await demo.stop()
  note(colours.dim('Stopped. Nothing is left running.'))
}

/** npm forwards a signal that the terminal has already sent to all processes. Within this time, both count as one. */
const SAME_SIGNAL_MS = 500

/** Registered first, so that Ctrl-C during startup cleans up too. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  let firstAt = Number.POSITIVE_INFINITY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The guard of the embedded Postgres ends it after this process.
      if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(130)
      firstAt = Math.min(firstAt, performance.now())
      stopping.abort()
    })
  }
  return stopping.signal
}

const aborted = async (signal: AbortSignal) => void (await once(signal, 'abort'))

/** Width of the line titles including the margin. */
const TITLE_WIDTH = 14

function welcome({ url, connectionString, database, tables }: Demo, isEmbedded: boolean): string {
  const rows = [
    ['Page', colours.bold(colours.cyan(url))],
    ['Database', database.description],
    [
      'psql',
      isEmbedded ? `psql ${connectionString}` : `psql "$DATABASE_URL", then: set search_path to ${database.schema}`,
    ],
    ['Captured', tables.join(', ')],
    [
      'Never sent',
      Object.entries(HIDDEN_ATTRIBUTES)
        .map(([name, why]) => `account.${name} ${colours.dim(`(${why})`)}`)
        .join('\n'),
    ],
  ]
  const columns = columnsOf(terminal.out)
  const margin = ' '.repeat(TITLE_WIDTH)
  const lines = rows.map(([title = '', text = '']) => {
    // Commands are not wrapped, so that they can be copied.
    const wrapped = title === 'psql' ? text : wrap(text, columns, margin)
    return `  ${colours.dim(title.padEnd(TITLE_WIDTH - 2))}${wrapped}`
  })
  const head = `  ${colours.bold('waterline-changefeed')} ${colours.dim('demo')}`
  const advice = `Write with the page, psql or any other tool, and watch the page. ${colours.dim('Ctrl-C ends the demo.')}`
  const foot = `  ${wrap(advice, columns, '  ')}`
  return ['', head, '', ...lines, '', foot, ''].join('\n')
}
