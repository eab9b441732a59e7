import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { pauseChannel } from '../wakeup/channel.ts'

/** After this long every node has heard that a model was resumed. */
const FORGET_AFTER = '1 hour'

/** A model that an operator has taken out of publishing, or put back a moment ago. */
export interface Pause {
  readonly identity: string
  readonly pausedAt: Date
  /** Null while it is paused. */
  readonly resumedAt: Date | null
  /** Changes that were passed over since. */
  readonly withheld: number
}

/**
 * The models that are paused. Their triggers go on, so nothing stands still: their changes are counted and passed over,
 * and when a model is resumed its clients are told to read again. What is here was true when it was last looked up.
 */
export class Pauses {
  readonly #db: Database
  /** Whether each node tells its own sockets; otherwise the leader tells everyone's. */
  readonly #everyNodePublishes: boolean
  #paused: ReadonlySet<string> = new Set()
  readonly #uncounted = new Map<string, number>()
  /** When the last resumption was that this node has told of, or that was before its time. */
  #toldUntil: number | null = null
  #seenUntil = 0
  #due = true

  constructor(db: Database, everyNodePublishes: boolean) {
    this.#db = db
    this.#everyNodePublishes = everyNodePublishes
  }

  /** Whether somebody may have paused or resumed a model meanwhile. */
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

  /** Looks up who is paused, and returns those whose clients this node must tell to read again. */
  async refresh(): Promise<string[]> {
    this.#due = false
    const pauses = await listPauses(this.#db)
    this.#paused = new Set(pauses.filter(({ resumedAt }) => !resumedAt).map(({ identity }) => identity))
    const resumed = pauses.filter(({ resumedAt }) => resumedAt !== null && resumedAt.getTime() > this.#horizon(pauses))
    this.#seenUntil = latestOf(pauses, this.#seenUntil)
    return resumed.map(({ identity }) => identity)
  }

  /** Those whom the last {@link refresh} named have been told. */
  told(): void {
    this.#toldUntil = this.#seenUntil
  }

  /** A node that tells its own sockets has none yet that could have missed anything before it started. */
  #horizon(pauses: readonly Pause[]): number {
    if (this.#toldUntil !== null) return this.#toldUntil
    return this.#everyNodePublishes ? latestOf(pauses, 0) : 0
  }

  /** As the leader: those that were resumed and told of are forgotten, and the others counted. */
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
    if (this.#everyNodePublishes) return sql<Date>`clock_timestamp() - ${FORGET_AFTER}::interval`
    return sql<Date>`${new Date((this.#toldUntil ?? 0) + 1)}::timestamptz`
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

/** Takes models out of publishing; every listener heeds it within moments. Returns those that were not out already. */
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

/** Puts models back; all that are paused, without identities. Returns those that were out. */
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
