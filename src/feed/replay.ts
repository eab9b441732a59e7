import type { LoggedChange } from '../change-log/change.ts'
import { countBetween, positionNow } from '../change-log/seek.ts'
import { parseSince, parseTime, type Since } from '../change-log/since.ts'
import type { Tick } from '../change-log/tick.ts'
import type { Database } from '../db/connect.ts'
import type { Publisher } from '../publish/publisher.ts'
import { wrapPublisher } from '../publish/wrap-publisher.ts'
import { capturedIdentities } from './captured-identities.ts'
import { LogReplay, type LogReplayParts } from './log-replay.ts'

/** A range of past changes, as a user specifies it. */
export interface ReplayRequest {
  /** A cursor, a time, or a duration before now. */
  readonly since: string
  /** A time. @default now */
  readonly until?: string | undefined
  /** @default all captured models */
  readonly models?: readonly string[] | undefined
}

/** A range of the change log, for some models. */
export interface Replay {
  readonly since: Since
  readonly until: Date
  /** The last tick to publish. */
  readonly tick: Tick
  /** Identities of the selected captured tables, by id. */
  readonly tables: ReadonlyMap<number, string>
  readonly counts: readonly ReplayCount[]
  readonly total: number
}

export interface ReplayCount {
  readonly model: string
  readonly operation: string
  readonly changes: number
}

const OPERATIONS: Readonly<Record<string, string>> = {
  I: 'inserted',
  U: 'updated',
  D: 'deleted',
  T: 'truncated',
  G: 'declared gap',
}

/** Resolves a request and counts the changes to publish. Throws `E_USAGE`. */
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
  /** Stops the replay between two changes. */
  readonly signal: AbortSignal
  /** Called after each page. */
  readonly onPage: (changes: number) => void
}

/** Publishes past changes again to the currently subscribed sockets. Messages are marked `replayed`. */
export async function runReplay(parts: LogReplayParts, replay: Replay, { signal, onPage }: ReplayRun): Promise<void> {
  const publisher = markingReplayed(parts.publisher)
  const logReplay = await LogReplay.open({ ...parts, publisher }, 'replay')
  const { position, time } = replay.since
  const wants = ({ tableId, at }: LoggedChange) =>
    replay.tables.has(tableId) && (time === null || at >= time) && at <= replay.until
  try {
    await logReplay.publish({ from: position, until: replay.tick.id, wants, signal, onPage })
  } finally {
    await logReplay.close()
  }
}

export const markingReplayed = (publisher: Publisher): Publisher =>
  wrapPublisher(publisher, (event, meta) => publisher.publish(event, { ...meta, replayed: true }))
