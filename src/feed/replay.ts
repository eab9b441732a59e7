import type { LoggedChange } from '../change-log/change.ts'
import { countBetween, positionNow } from '../change-log/seek.ts'
import { parseSince, parseTime, type Since } from '../change-log/since.ts'
import type { Tick } from '../change-log/tick.ts'
import type { Database } from '../db/connect.ts'
import type { Publisher } from '../publish/publisher.ts'
import { wrapPublisher } from '../publish/wrap-publisher.ts'
import { capturedIdentities } from './captured-identities.ts'
import { LogReplay, type PlaybackParts } from './log-replay.ts'

/** A part of the past, as a person names it. */
export interface ReplayRequest {
  /** A cursor, a time, or how long ago. */
  readonly since: string
  /** A time. @default now */
  readonly until?: string | undefined
  /** @default all that are captured */
  readonly models?: readonly string[] | undefined
}

/** A part of the change log, of some models. */
export interface Replay {
  readonly since: Since
  readonly until: Date
  /** At which it ends. */
  readonly tick: Tick
  /** Identities of captured tables by their id; those that are left out are absent. */
  readonly tables: ReadonlyMap<number, string>
  readonly counts: readonly ReplayCount[]
  readonly total: number
}

export interface ReplayCount {
  readonly model: string
  readonly operation: string
  readonly changes: number
}

const OPERATIONS: Readonly<Record<string, string>> = { I: 'inserted', U: 'updated', D: 'deleted', T: 'truncated' }

/** Finds and counts what a replay would publish. Throws `E_USAGE`. */
export async function readReplay(db: Database, request: ReplayRequest): Promise<Replay> {
  const since = await parseSince(db, request.since)
  const until = request.until === undefined ? new Date() : parseTime(request.until)
  const { tick } = await positionNow(db)
  const tables = await tablesOf(db, request.models)
  const found = await countBetween(db, since.position, tick, { since: since.time ?? new Date(0), until })
  const counts = found.flatMap(({ tableId, operation, changes }) => {
    const model = tables.get(tableId)
    return model === undefined ? [] : { model, operation: OPERATIONS[operation] ?? operation, changes }
  })
  const byName = (a: ReplayCount, b: ReplayCount) =>
    a.model.localeCompare(b.model) || a.operation.localeCompare(b.operation)
  counts.sort(byName)
  return { since, until, tick, tables, counts, total: counts.reduce((sum, { changes }) => sum + changes, 0) }
}

async function tablesOf(db: Database, models: readonly string[] | undefined): Promise<Map<number, string>> {
  const wanted = models && (await capturedIdentities(db, models))
  const captured = await db.kysely.selectFrom('captured_table').select(['id', 'identity']).execute()
  const chosen = captured.filter(({ identity }) => !wanted || wanted.includes(identity))
  return new Map(chosen.map(({ id, identity }) => [id, identity]))
}

export interface ReplayRun {
  /** Ends it between two changes. */
  readonly signal: AbortSignal
  /** After each page. */
  readonly onPlayed: (changes: number) => void
}

/** Publishes once more what was published before, to the sockets that are subscribed now. Messages say `replayed`. */
export async function runReplay(parts: PlaybackParts, replay: Replay, { signal, onPlayed }: ReplayRun): Promise<void> {
  const publisher = markingReplayed(parts.publisher)
  const logReplay = await LogReplay.open({ ...parts, publisher }, 'replay')
  const { position, time } = replay.since
  const wants = ({ tableId, at }: LoggedChange) =>
    replay.tables.has(tableId) && (time === null || at >= time) && at <= replay.until
  try {
    await logReplay.play({ from: position, until: replay.tick.id, wants, signal, onPlayed })
  } finally {
    await logReplay.close()
  }
}

export const markingReplayed = (publisher: Publisher): Publisher =>
  wrapPublisher(publisher, (event, meta) => publisher.publish(event, { ...meta, replayed: true }))
