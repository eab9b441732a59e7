import { Listr } from 'listr2'
import type { LoggedChange } from '../../change-log/change.ts'
import { countBetween, positionNow, type TableCount } from '../../change-log/seek.ts'
import type { Database } from '../../db/connect.ts'
import { ChangefeedError } from '../../errors.ts'
import { Playback } from '../../feed/playback.ts'
import { clusterPublisher } from '../../publish/cluster-publisher.ts'
import type { Publisher } from '../../publish/publisher.ts'
import { EXIT } from '../exit-code.ts'
import { createLog } from '../log.ts'
import { openRelay } from '../relay.ts'
import { secretsOf } from '../run-command.ts'
import { hider } from '../secrets.ts'
import type { ProgramSettings } from '../settings.ts'
import { parseSince, parseTime, type Since } from '../since.ts'
import { print, printJson, table, terminal } from '../terminal.ts'
import { type Workspace, withWorkspace } from '../workspace.ts'

interface ReplayFlags {
  readonly since: string
  readonly until?: string
  readonly model?: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** A part of the change log, of some models. */
interface Range {
  readonly since: Since
  readonly until: { readonly id: bigint; readonly snapshot: string }
  /** Identities of captured tables by their id; those that are left out are absent. */
  readonly tables: ReadonlyMap<number, string>
  readonly counts: readonly TableCount[]
  wants(change: LoggedChange): boolean
}

/** Publishes once more what was published before, to the sockets that are subscribed now. Messages say `replayed`. */
export async function replay(settings: ProgramSettings, flags: ReplayFlags): Promise<number> {
  return await withWorkspace(settings, async workspace => {
    const db = await workspace.installedDatabase('replay')
    const range = await readRange(db, flags)
    const total = range.counts.reduce((sum, { changes }) => sum + changes, 0)
    if (flags.dryRun) printCounts(range, flags, total)
    else await publishRange(workspace, db, range, { total, json: flags.json === true })
    return EXIT.ok
  })
}

async function readRange(db: Database, { since: from, until, model }: ReplayFlags): Promise<Range> {
  const since = await parseSince(db, from)
  const now = await positionNow(db)
  const tables = await tablesOf(db, model)
  const times = { since: since.time ?? new Date(0), until: until === undefined ? new Date() : parseTime(until) }
  const counted = await countBetween(db, since.position, now.tick, times)
  const wants = ({ tableId, at }: LoggedChange) => tables.has(tableId) && at >= times.since && at <= times.until
  const counts = counted.filter(({ tableId }) => tables.has(tableId))
  return { since, until: now.tick, tables, counts, wants }
}

async function tablesOf({ kysely }: Database, models: readonly string[] | undefined): Promise<Map<number, string>> {
  const captured = await kysely.selectFrom('captured_table').select(['id', 'identity']).execute()
  const wanted = models?.map(identity => identity.toLowerCase())
  const unknown = wanted?.find(identity => !captured.some(row => row.identity === identity))
  if (unknown !== undefined) {
    const known = captured.map(({ identity }) => identity).join(', ')
    throw new ChangefeedError('E_USAGE', `No model \`${unknown}\` is captured. Captured: ${known}.`)
  }
  const chosen = captured.filter(({ identity }) => !wanted || wanted.includes(identity))
  return new Map(chosen.map(({ id, identity }) => [id, identity]))
}

async function publishRange(workspace: Workspace, db: Database, range: Range, shown: Shown) {
  const logger = createLog({
    level: workspace.settings.logLevel,
    hide: hider(secretsOf(workspace.settings)),
    to: terminal.err,
  })
  const { settings, models } = await workspace.feedSettings()
  const relay = await openRelay(workspace, logger)
  const publisher = replaying(clusterPublisher(relay.io, { models }))
  const playback = await Playback.open({ db, settings: { ...settings, logger }, models, publisher }, 'replay')
  try {
    await showingProgress(`Publishing again through ${relay.by}`, shown, onPlayed =>
      playback.play({
        from: range.since.position,
        until: range.until.id,
        wants: change => range.wants(change),
        signal: new AbortController().signal,
        onPlayed,
      }),
    )
  } finally {
    await playback.close()
    await relay.close()
  }
}

const replaying = (publisher: Publisher): Publisher => ({
  publish: (call, meta) => publisher.publish(call, { ...meta, replayed: true }),
  drained: () => publisher.drained?.(),
})

interface Shown {
  /** Of all that is to be published. */
  readonly total: number
  readonly json: boolean
}

async function showingProgress(
  title: string,
  { total, json }: Shown,
  run: (onPlayed: (changes: number) => void) => Promise<unknown>,
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

const OPERATIONS: Record<string, string> = { I: 'inserted', U: 'updated', D: 'deleted', T: 'truncated' }

function printCounts({ tables, counts, since }: Range, { json }: ReplayFlags, total: number) {
  const rows = counts.map(({ tableId, operation, changes }) => ({
    model: tables.get(tableId) ?? '',
    operation: OPERATIONS[operation] ?? operation,
    changes,
  }))
  if (json) return printJson({ total, changes: rows, after: since.position.tick.id })
  print(
    table(
      ['model', 'operation', 'changes'],
      rows.map(row => [row.model, row.operation, String(row.changes)]),
    ),
  )
  print(`\n${total} changes would be published again.`)
}
