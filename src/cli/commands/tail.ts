import { setTimeout as sleep } from 'node:timers/promises'
import { positionNow } from '../../change-log/seek.ts'
import { parseSince } from '../../change-log/since.ts'
import type { Database } from '../../db/connect.ts'
import { capturedIdentities } from '../../feed/captured-identities.ts'
import { LogReplay } from '../../feed/log-replay.ts'
import { readLease } from '../../leader/lease.ts'
import { withReverse } from '../../monitor/verb.ts'
import type { MessageMeta, RecordEvent } from '../../publish/mapping/record-event.ts'
import { colours } from '../colours.ts'
import { withCommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import { interruption } from '../interruption.ts'
import { chop, columnsOf } from '../line-width.ts'
import type { ProgramSettings } from '../settings.ts'
import { note, print, printJson, terminal } from '../terminal.ts'

interface TailFlags {
  readonly models?: readonly string[]
  readonly id?: readonly string[]
  readonly verb?: readonly string[]
  readonly since?: string
  readonly json?: boolean
}

const POLL_MS = 200

const COLOURS: Readonly<Record<RecordEvent['verb'], (text: string) => string>> = {
  created: colours.green,
  updated: colours.blue,
  destroyed: colours.red,
  addedTo: colours.cyan,
  removedFrom: colours.magenta,
  refetch: colours.yellow,
}

/** Prints published events until interrupted. Publishes nothing. */
export async function tail(settings: ProgramSettings, flags: TailFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const db = await context.installedDatabase('tail')
    await capturedIdentities(db, flags.models ?? [])
    const { settings: feed, models } = await context.feedSettings()
    const format = flags.json === true || !terminal.out.isTTY ? asJson : asText
    const publisher = { publish: (event: RecordEvent, meta: MessageMeta) => show(event, meta, flags, format) }
    const logReplay = await LogReplay.open({ db, settings: feed, models, publisher }, 'tail')
    const end = interruption()
    try {
      await warnWithoutLeader(db)
      await follow(db, logReplay, flags, end)
    } finally {
      await logReplay.close()
    }
    return EXIT.ok
  })
}

async function follow(db: Database, logReplay: LogReplay, flags: TailFlags, signal: AbortSignal) {
  const since = flags.since === undefined ? null : await parseSince(db, flags.since)
  let position = since?.position ?? (await positionNow(db))
  const wants = ({ at }: { at: Date }) => since?.time == null || at >= since.time
  while (!signal.aborted) {
    const until = (await positionNow(db)).tick.id
    try {
      position = await logReplay.publish({ from: position, until, wants, signal })
      await sleep(POLL_MS, undefined, { signal })
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** Warns if no leader runs, since only a leader orders new changes into ticks. */
async function warnWithoutLeader(db: Database) {
  if ((await readLease(db))?.fresh) return
  note(colours.yellow('No listener runs: new changes are logged, and appear here when one has started.'))
}

function show(
  event: RecordEvent,
  meta: MessageMeta,
  flags: TailFlags,
  format: (event: RecordEvent, meta: MessageMeta) => void,
) {
  for (const each of withReverse(event)) {
    if (isWanted(each, flags)) format(each, meta)
  }
}

function isWanted(event: RecordEvent, { models, id, verb }: TailFlags): boolean {
  if (models && !models.includes(event.identity)) return false
  if (verb && !verb.includes(event.verb)) return false
  return !id || ('id' in event && id.includes(String(event.id)))
}

function asJson(event: RecordEvent, meta: MessageMeta) {
  printJson({ ...event, reverse: undefined, ...meta })
}

/** In one line if it fits; otherwise with the changes indented below. */
function asText(event: RecordEvent, { at, cursor }: MessageMeta) {
  const verb = event.verb.padEnd(11)
  const time = new Date(at).toISOString().slice(11, 23)
  const subject = 'id' in event ? `${event.identity} ${event.id}` : event.identity
  const what = detail(event)
  const columns = columnsOf(terminal.out)
  const fits = [time, verb, subject, what, cursor].join(' ').length <= columns
  const line = [colours.dim(time), COLOURS[event.verb](verb), colours.bold(subject), fits && what, colours.dim(cursor)]
  print(line.filter(Boolean).join(' '))
  if (!fits) for (const part of chop(what, columns - INDENT.length)) print(`${INDENT}${part}`)
}

const INDENT = ' '.repeat('12:00:00.000 '.length)

function detail(event: RecordEvent): string {
  switch (event.verb) {
    case 'created':
      return JSON.stringify(event.record)
    case 'updated':
      return JSON.stringify(event.changes)
    case 'addedTo':
    case 'removedFrom':
      return `${event.alias} ${event.childId}`
    case 'refetch':
      return event.reason
    default:
      return ''
  }
}
