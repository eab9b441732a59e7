import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import type { FanOut } from '../publish/fan-out.ts'
import { pauseChannel } from '../wakeup/channel.ts'

/** After this time, every node has seen that a model was resumed. */
const FORGET_AFTER = '1 hour'

/** A model that an operator paused, or resumed recently. */
export interface Pause {
  readonly identity: string
  readonly pausedAt: Date
  /** Null while it is paused. */
  readonly resumedAt: Date | null
  /** Number of changes skipped since. */
  readonly withheld: number
}

/**
 * The paused models. Their triggers stay active, and their changes are counted and skipped. When a model is resumed,
 * its clients receive `refetch`. The state is that of the last refresh.
 */
export class Pauses {
  readonly #db: Database
  readonly #fanOut: FanOut
  #paused: ReadonlySet<string> = new Set()
  readonly #uncounted = new Map<string, number>()
  /** The time of the last resumption that this node has handled, or that preceded its start. */
  #notifiedUntil: number | null = null
  #seenUntil = 0
  #due = true

  constructor(db: Database, fanOut: FanOut) {
    this.#db = db
    this.#fanOut = fanOut
  }

  /** Whether a model may have been paused or resumed since the last refresh. */
  get due(): boolean {
    return this.#due
  }

  look(): void {
    this.#due = true
  }

  has(identity: string): boolean {
    return this.#paused.has(identity)
  }

  count(identity: string): void {
    this.#uncounted.set(identity, (this.#uncounted.get(identity) ?? 0) + 1)
  }

  /** Reads the paused models, and returns the resumed ones whose clients this node must notify. */
  async refresh(): Promise<string[]> {
    this.#due = false
    const pauses = await listPauses(this.#db)
    this.#paused = new Set(pauses.filter(({ resumedAt }) => !resumedAt).map(({ identity }) => identity))
    const resumed = pauses.filter(({ resumedAt }) => resumedAt !== null && resumedAt.getTime() > this.#horizon(pauses))
    this.#seenUntil = latestOf(pauses, this.#seenUntil)
    return resumed.map(({ identity }) => identity)
  }

  /** Call after clients of the models returned by {@link refresh} were notified. */
  markNotified(): void {
    this.#notifiedUntil = this.#seenUntil
  }

  /** A node that notifies its own sockets has none that missed changes before it started. */
  #horizon(pauses: readonly Pause[]): number {
    if (this.#notifiedUntil !== null) return this.#notifiedUntil
    return this.#fanOut === 'local' ? latestOf(pauses, 0) : 0
  }

  /** Stores the counts and deletes handled resumptions. For the leader. */
  async tidy(): Promise<void> {
    const { kysely } = this.#db
    for (const [identity, count] of [...this.#uncounted]) {
      await kysely
        .updateTable('pause')
        .set(({ eb }) => ({ withheld: eb('withheld', '+', String(count)) }))
        .where('identity', '=', identity)
        .execute()
      this.#uncounted.delete(identity)
    }
    await kysely.deleteFrom('pause').where('resumed_at', '<', this.#forgettable()).execute()
  }

  #forgettable() {
    if (this.#fanOut === 'local') return sql<Date>`clock_timestamp() - ${FORGET_AFTER}::interval`
    return sql<Date>`${new Date((this.#notifiedUntil ?? 0) + 1)}::timestamptz`
  }
}

const latestOf = (pauses: readonly Pause[], least: number) =>
  Math.max(least, ...pauses.map(({ resumedAt }) => resumedAt?.getTime() ?? 0))

export async function listPauses({ kysely }: Database): Promise<Pause[]> {
  const rows = await kysely.selectFrom('pause').selectAll().orderBy('identity').execute()
  return rows.map(row => ({
    identity: row.identity,
    pausedAt: row.paused_at,
    resumedAt: row.resumed_at,
    withheld: Number(row.withheld),
  }))
}

/** Pauses publishing of models, on all listeners within moments. Returns those that were not paused yet. */
export async function pauseModels(db: Database, identities: readonly string[]): Promise<string[]> {
  const present = {
    paused_at: sql<Date>`date_trunc('milliseconds', clock_timestamp())`,
    resumed_at: null,
    withheld: '0',
  }
  const changed = await db.kysely
    .insertInto('pause')
    .values(identities.map(identity => ({ identity, ...present })))
    .onConflict(conflict => conflict.column('identity').doUpdateSet(present).where('pause.resumed_at', 'is not', null))
    .returning('identity')
    .execute()
  await announce(db)
  return changed.map(({ identity }) => identity)
}

/** Resumes models, or all paused models without identities. Returns those that were paused. */
export async function resumeModels(db: Database, identities: readonly string[]): Promise<string[]> {
  const changed = await db.kysely
    .updateTable('pause')
    .set({ resumed_at: sql<Date>`date_trunc('milliseconds', clock_timestamp())` })
    .where('resumed_at', 'is', null)
    .$if(identities.length > 0, query => query.where('identity', 'in', [...identities]))
    .returning('identity')
    .execute()
  await announce(db)
  return changed.map(({ identity }) => identity)
}

async function announce({ kysely, schema }: Database) {
  await sql`select pg_catalog.pg_notify(${pauseChannel(schema)}, '')`.execute(kysely)
}
