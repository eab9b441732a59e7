import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { asError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Model, Models } from '../ontology/model.ts'
import type { AddCall, PublishCall, RemoveCall } from '../publish/call.ts'
import { childAttribute } from '../publish/memberships.ts'
import { idOf } from '../publish/record-id.ts'
import { removesRecord } from '../publish/related-rows.ts'
import type { RowChange } from '../publish/row-change.ts'
import { KeptLinks } from './kept-links.ts'
import { column, table } from './model-sql.ts'
import { reachably, Unreachable } from './reach.ts'
import { recordKey } from './record-key.ts'
import type { Circumstances, Stage } from './stage.ts'

/** How old the deletion of a link must be before it is believed, in milliseconds. */
const WINDOW_MS = 50
/** Links that are remembered at once; of a greater replacement the members are told that they left and came back. */
const REMEMBERED = 10_000

/**
 * To replace the members of a collection, Waterline deletes all of its links and inserts the new ones, in two
 * transactions. A member that is kept has not left: where the link is there again, neither its going nor its coming back
 * is told.
 */
export class LinkNetting implements Stage {
  readonly #db: Database
  readonly #models: Models
  readonly #logger: Logger
  /** Links whose going was not told, until their coming back is met. */
  readonly #kept = new KeptLinks()

  constructor(db: Database, models: Models, logger: Logger) {
    this.#db = db
    this.#models = models
    this.#logger = logger
  }

  async revise(calls: PublishCall[], circumstances: Circumstances): Promise<PublishCall[]> {
    this.#forgetRecord(circumstances.change)
    const news: PublishCall[] = []
    const seen: Seen = new Map()
    for (const call of calls) {
      if (!(await this.#isOldNews(call, circumstances, seen))) news.push(call)
    }
    return news
  }

  /** What is known of a record goes with it: where it is made anew, who is linked to it is news again. */
  #forgetRecord(change: RowChange) {
    const { model, old } = change
    if (this.#kept.size > 0 && old && !model.junction && removesRecord(change)) {
      this.#kept.forget(recordKey(model.identity, idOf(model, old)))
    }
  }

  async #isOldNews(call: PublishCall, circumstances: Circumstances, seen: Seen): Promise<boolean> {
    const link = this.#linkOf(call, circumstances.change.model)
    if (!link) return false
    if (call.fn === 'publishAdd') return this.#kept.delete(keyOf(link))
    this.#kept.delete(keyOf(link))
    if (this.#kept.size >= REMEMBERED) return false
    const pair = pairOf(link)
    const isThere = seen.get(pair) ?? (await this.#isThereAsFarAsSeen(link, circumstances))
    seen.set(pair, isThere)
    if (isThere)
      this.#kept.add(keyOf(link), [recordKey(call.identity, link.parentId), recordKey(link.of, link.childId)])
    return isThere
  }

  /** Undefined unless the change is one of a link, and the call about the members that it makes. */
  #linkOf(call: PublishCall, links: Model): Link | undefined {
    if (call.fn !== 'publishAdd' && call.fn !== 'publishRemove') return undefined
    const ends = endsOf(call, links, this.#models)
    return ends && { links, ...ends, parentId: call.id, childId: call.childId, alias: call.alias }
  }

  /** Where it cannot be looked up, as for want of rights, the deletion is believed: a word too many is better than none. */
  async #isThereAsFarAsSeen(link: Link, circumstances: Circumstances): Promise<boolean> {
    try {
      return await reachably(() => this.#isThere(link, circumstances))
    } catch (error) {
      if (error instanceof Unreachable) throw error.cause
      const fields = { model: link.links.identity, cursor: circumstances.meta.cursor, error: asError(error).message }
      this.#logger.warn('Whether a link is there again could not be read: its members are told that they left', fields)
      return false
    }
  }

  /** Looks again when the deletion is so young that what follows it may not be committed yet. */
  async #isThere(link: Link, { meta, signal }: Circumstances): Promise<boolean> {
    const { exists, now } = await this.#look(link)
    const age = now - meta.at
    if (exists || age >= WINDOW_MS) return exists
    await pause(Math.min(WINDOW_MS - age, WINDOW_MS), undefined, { signal })
    return (await this.#look(link)).exists
  }

  /** With the clock of the server, which is the one that changes are stamped with. */
  async #look({ links, parent, child, parentId, childId }: Link): Promise<{ exists: boolean; now: number }> {
    const { rows } = await sql<{ exists: boolean; now: number }>`
      select exists (
          select from ${table(links)} where ${column(links, parent)} = ${parentId} and ${column(links, child)} = ${childId}
        ) as exists, (extract(epoch from clock_timestamp()) * 1000)::float8 as now`.execute(this.#db.kysely)
    return rows[0] ?? { exists: false, now: Number.POSITIVE_INFINITY }
  }
}

/** Whether a link is there, by the two that it links: both are told, and one look is enough. */
type Seen = Map<string, boolean>

const pairOf = ({ parent, child, parentId, childId }: Link) =>
  JSON.stringify([`${parent} ${parentId}`, `${child} ${childId}`].sort())

interface Ends {
  /** Attributes of the links. */
  readonly parent: string
  readonly child: string
  /** Identity of the children. */
  readonly of: string
}

interface Link extends Ends {
  readonly links: Model
  readonly parentId: unknown
  readonly childId: unknown
  readonly alias: string
}

/** Of a made-up junction table both collections state the same link, so each has its own key. */
const keyOf = ({ links, alias, parent, parentId, childId }: Link) =>
  JSON.stringify([links.identity, alias, parent, String(parentId), String(childId)])

function endsOf({ identity, alias }: AddCall | RemoveCall, links: Model, models: Models): Ends | undefined {
  const near = links.junction?.ends.find(end => end.identity === identity && end.alias === alias)
  const far = links.junction?.ends.find(end => end !== near)
  if (near && far) return { parent: near.attribute, child: far.attribute, of: far.identity }
  const collection = models.get(identity)?.associations.find(association => association.alias === alias)
  if (collection?.type !== 'collection' || collection.through !== links.identity || collection.via === undefined) {
    return undefined
  }
  const child = childAttribute(links, collection)
  return child === undefined ? undefined : { parent: collection.via, child, of: collection.collection }
}
