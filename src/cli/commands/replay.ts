import { Listr } from 'listr2'
import type { Database } from '../../db/connect.ts'
import { type Replay, readReplay, runReplay } from '../../feed/replay.ts'
import { clusterPublisher } from '../../publish/socketio/cluster-publisher.ts'
import { openClusterEmitter } from '../cluster-emitter.ts'
import { type CommandContext, withCommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import { columnsOf } from '../line-width.ts'
import { createLog } from '../log.ts'
import { secretsOf } from '../run-command.ts'
import { hider } from '../secrets.ts'
import type { ProgramSettings } from '../settings.ts'
import { table } from '../table.ts'
import { print, printJson, terminal } from '../terminal.ts'

interface ReplayFlags {
  readonly since: string
  readonly until?: string
  readonly models?: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Publishes past changes again to the currently subscribed sockets. Messages are marked `replayed`. */
export async function replay(settings: ProgramSettings, flags: ReplayFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const db = await context.installedDatabase('replay')
    const { since, until, models } = flags
    const found = await readReplay(db, { since, until, models })
    if (flags.dryRun) printCounts(found, flags)
    else await publishAgain(context, db, found, flags.json === true)
    return EXIT.ok
  })
}

async function publishAgain(context: CommandContext, db: Database, found: Replay, json: boolean) {
  const logger = createLog({
    level: context.settings.logLevel,
    hide: hider(secretsOf(context.settings)),
    to: terminal.err,
  })
  const { settings, models } = await context.feedSettings()
  const emitter = await openClusterEmitter(context, logger)
  const publisher = clusterPublisher(emitter.io, { models })
  const parts = { db, settings: { ...settings, logger }, models, publisher }
  try {
    await showingProgress(`Publishing again through ${emitter.by}`, { total: found.total, json }, onPage =>
      runReplay(parts, found, { signal: new AbortController().signal, onPage }),
    )
  } finally {
    await emitter.close()
  }
}

interface Shown {
  /** Number of changes to publish. */
  readonly total: number
  readonly json: boolean
}

async function showingProgress(
  title: string,
  { total, json }: Shown,
  run: (onPage: (changes: number) => void) => Promise<unknown>,
) {
  let done = 0
  const task = {
    title,
    task: (_: unknown, view: { output: string; title: string }) =>
      run(changes => {
        done += changes
        view.output = bar(done, total)
      }).then(() => {
        view.title = `Published ${done} changes again`
      }),
  }
  const isWatched = terminal.out.isTTY && !json
  await new Listr([task], { renderer: isWatched ? 'default' : 'silent' }).run()
  if (json) printJson({ replayed: done })
  else if (!isWatched) print(`Published ${done} changes again`)
}

const BAR = 40

function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * BAR)
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${Math.round(share * 100)} %  ${done} of ${total}`
}

function printCounts({ counts, total, since }: Replay, { json }: ReplayFlags) {
  if (json) return printJson({ total, changes: counts, after: since.position.tick.id })
  print(
    table(
      ['model', 'operation', 'changes'],
      counts.map(({ model, operation, changes }) => [model, operation, String(changes)]),
      columnsOf(terminal.out),
    ),
  )
  print(`\n${total} changes would be published again.`)
}
