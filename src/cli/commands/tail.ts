import { setTimeout as wait } from 'node:timers/promises'
import { positionNow } from '../../change-log/seek.ts'
import { parseSince } from '../../change-log/since.ts'
import type { Database } from '../../db/connect.ts'
import { capturedIdentities } from '../../feed/captured-identities.ts'
import { Playback } from '../../feed/playback.ts'
import { readLease } from '../../leader/lease.ts'
import { VERB_OF_CALL, withReverse } from '../../monitor/verb.ts'
import type { MessageMeta, PublishCall } from '../../publish/call.ts'
import { colours } from '../colours.ts'
import { EXIT } from '../exit-code.ts'
import { interruption } from '../interruption.ts'
import { chop, columnsOf } from '../line-width.ts'
import type { ProgramSettings } from '../settings.ts'
import { note, print, printJson, terminal } from '../terminal.ts'
import { withWorkspace } from '../workspace.ts'

interface TailFlags {
  readonly models?: readonly string[]
  readonly id?: readonly string[]
  readonly verb?: readonly string[]
  readonly since?: string
  readonly json?: boolean
}

const POLL_MS = 200

/** Prints what goes to the sockets, as it happens, until it is interrupted. Publishes nothing. */
export async function tail(settings: ProgramSettings, flags: TailFlags): Promise<number> {
  return await withWorkspace(settings, async workspace => {
    const db = await workspace.installedDatabase('tail')
    await capturedIdentities(db, flags.models ?? [])
    const { settings: feed, models } = await workspace.feedSettings()
    const format = flags.json === true || !terminal.out.isTTY ? asJson : asText
    const publisher = { publish: (call: PublishCall, meta: MessageMeta) => show(call, meta, flags, format) }
    const playback = await Playback.open({ db, settings: feed, models, publisher }, 'tail')
    const end = interruption()
    try {
      await warnWithoutLeader(db)
      await follow(db, playback, flags, end)
    } finally {
      await playback.close()
    }
    return EXIT.ok
  })
}

async function follow(db: Database, playback: Playback, flags: TailFlags, signal: AbortSignal) {
  const since = flags.since === undefined ? null : await parseSince(db, flags.since)
  let position = since?.position ?? (await positionNow(db))
  const wants = ({ at }: { at: Date }) => since?.time == null || at >= since.time
  while (!signal.aborted) {
    const until = (await positionNow(db)).tick.id
    try {
      position = await playback.play({ from: position, until, wants, signal })
      await wait(POLL_MS, undefined, { signal })
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** Only a leader puts changes in their place. */
async function warnWithoutLeader(db: Database) {
  if ((await readLease(db))?.fresh) return
  note(colours.yellow('No listener runs: new changes are logged, and show here once one has started.'))
}

function show(
  call: PublishCall,
  meta: MessageMeta,
  flags: TailFlags,
  format: (call: PublishCall, meta: MessageMeta) => void,
) {
  for (const each of withReverse(call)) {
    if (isWanted(each, flags)) format(each, meta)
  }
}

function isWanted(call: PublishCall, { models, id, verb }: TailFlags): boolean {
  if (models && !models.includes(call.identity)) return false
  if (verb && !verb.includes(VERB_OF_CALL[call.fn])) return false
  return !id || ('id' in call && id.includes(String(call.id)))
}

function asJson({ fn, ...call }: PublishCall, meta: MessageMeta) {
  printJson({ verb: VERB_OF_CALL[fn], ...call, reverse: undefined, ...meta })
}

const COLOURS = {
  publishCreate: colours.green,
  publishUpdate: colours.blue,
  publishDestroy: colours.red,
  publishAdd: colours.cyan,
  publishRemove: colours.magenta,
  refetch: colours.yellow,
}

/** In one line where it fits; else what changed stands below, indented. */
function asText(call: PublishCall, { at, cursor }: MessageMeta) {
  const verb = VERB_OF_CALL[call.fn].padEnd(11)
  const time = new Date(at).toISOString().slice(11, 23)
  const subject = 'id' in call ? `${call.identity} ${call.id}` : call.identity
  const what = detail(call)
  const columns = columnsOf(terminal.out)
  const fits = [time, verb, subject, what, cursor].join(' ').length <= columns
  const line = [colours.dim(time), COLOURS[call.fn](verb), colours.bold(subject), fits && what, colours.dim(cursor)]
  print(line.filter(Boolean).join(' '))
  if (!fits) for (const part of chop(what, columns - INDENT.length)) print(`${INDENT}${part}`)
}

const INDENT = ' '.repeat('12:00:00.000 '.length)

function detail(call: PublishCall): string {
  switch (call.fn) {
    case 'publishCreate':
      return JSON.stringify(call.record)
    case 'publishUpdate':
      return JSON.stringify(call.changes)
    case 'publishAdd':
    case 'publishRemove':
      return `${call.alias} ${call.childId}`
    case 'refetch':
      return call.reason
    default:
      return ''
  }
}
