import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import { asError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Model, Models } from '../ontology/model.ts'
import type { AddCall, PublishCall, RemoveCall } from '../publish/call.ts'
import { childAttribute } from '../publish/memberships.ts'
import { parseOrigin } from '../publish/origin.ts'
import { readAppTables } from './app-tables.ts'
import { column, table } from './model-sql.ts'
import { reachably, Unreachable } from './reach.ts'
import type { Circumstances, Stage } from './stage.ts'

/** How old the deletion of a link must be before the link counts as gone, in milliseconds. */
const WINDOW_MS = 50
/** Links that blueprints have deleted and not yet inserted again; of those beyond, the insertion is published. */
const REMEMBERED = 10_000

/**
 * To replace the members of a collection, Waterline deletes all of its links and inserts the new ones, in two
 * transactions; and a table may hold the same link twice. So `removedFrom` is dropped where the link exists when it would
 * be published: a later deletion of it has a change of its own. `addedTo` is never dropped, as a client may have read the
 * members between the two transactions.
 */
export class LinkNetting implements Stage {
  readonly #db: Database
  readonly #models: Models
  readonly #logger: Logger
  /** By request and link, oldest first. */
  readonly #deletedByBlueprint = new Set<string>()

  constructor(db: Database, models: Models, logger: Logger) {
    this.#db = db
    this.#models = models
    this.#logger = logger
  }

  async revise(calls: PublishCall[], circumstances: Circumstances): Promise<PublishCall[]> {
    const revised: PublishCall[] = []
    const known = new Map<string, boolean>()
    for (const call of calls) {
      const link = this.#linkOf(call, circumstances.change.model)
      if (!link) revised.push(call)
      else if (call.fn === 'publishAdd')
        revised.push(this.#isKept(link, circumstances) ? { ...call, kept: true } : call)
      else if (await this.#exists(link, circumstances, known)) this.#noteDeletion(link, circumstances)
      else revised.push(call)
    }
    return revised
  }

  #noteDeletion(link: Link, { meta }: Circumstances) {
    if (!parseOrigin(meta.origin)?.blueprint) return
    this.#deletedByBlueprint.add(keyOf(link, meta.origin))
    for (const oldest of this.#deletedByBlueprint) {
      if (this.#deletedByBlueprint.size <= REMEMBERED) return
      this.#deletedByBlueprint.delete(oldest)
    }
  }

  /** Whether the request that inserts the link had deleted it, and no message said so. */
  #isKept(link: Link, { meta }: Circumstances): boolean {
    return this.#deletedByBlueprint.size > 0 && this.#deletedByBlueprint.delete(keyOf(link, meta.origin))
  }

  /** Both ends of a link ask for it: one look is enough. */
  async #exists(link: Link, circumstances: Circumstances, known: Map<string, boolean>): Promise<boolean> {
    const pair = pairOf(link)
    const exists = known.get(pair) ?? (await this.#existsAsFarAsVisible(link, circumstances))
    known.set(pair, exists)
    return exists
  }

  /** Undefined unless the change is one of a link, and the call about the members that it makes. */
  #linkOf(call: PublishCall, links: Model): Link | undefined {
    if (call.fn !== 'publishAdd' && call.fn !== 'publishRemove') return undefined
    const ends = endsOf(call, links, this.#models)
    return ends && { links, ...ends, parentId: call.id, childId: call.childId, alias: call.alias }
  }

  /** Where the links cannot be read, as without the privilege to, the deletion is published. */
  async #existsAsFarAsVisible(link: Link, circumstances: Circumstances): Promise<boolean> {
    try {
      return await reachably(() => this.#lookTwice(link, circumstances))
    } catch (error) {
      if (error instanceof Unreachable) throw error.cause
      const fields = { model: link.links.identity, cursor: circumstances.meta.cursor, error: asError(error).message }
      this.#logger.warn(
        'Links could not be read: a deletion is published even where another row holds the same link',
        fields,
      )
      return false
    }
  }

  /** A second time when the deletion is so young that the insertion which follows it may not be committed yet. */
  async #lookTwice(link: Link, { meta, signal }: Circumstances): Promise<boolean> {
    const { exists, now } = await this.#look(link)
    const age = now - meta.at
    if (exists || age >= WINDOW_MS) return exists
    await pause(Math.min(WINDOW_MS - age, WINDOW_MS), undefined, { signal })
    return (await this.#look(link)).exists
  }

  /** With the clock of the server, which is the one that changes are stamped with. */
  async #look({ links, parent, child, parentId, childId }: Link): Promise<{ exists: boolean; now: number }> {
    const query = sql<{ exists: boolean; now: number }>`
      select exists (
          select from ${table(links)} where ${column(links, parent)} = ${parentId} and ${column(links, child)} = ${childId}
        ) as exists, (extract(epoch from clock_timestamp()) * 1000)::float8 as now`
    const uses = [{ model: links, attributes: [parent, child] }]
    const { rows } = await readAppTables(this.#db, uses, trx => query.execute(trx))
    return rows[0] ?? { exists: false, now: Number.POSITIVE_INFINITY }
  }
}

const pairOf = ({ parent, child, parentId, childId }: Link) =>
  JSON.stringify([`${parent} ${parentId}`, `${child} ${childId}`].sort())

interface Ends {
  /** Attributes of the links. */
  readonly parent: string
  readonly child: string
}

interface Link extends Ends {
  readonly links: Model
  readonly parentId: unknown
  readonly childId: unknown
  readonly alias: string
}

/** Of a made-up junction table both collections state the same link, so each has its own key. */
const keyOf = ({ links, alias, parent, parentId, childId }: Link, origin = '') =>
  JSON.stringify([origin, links.identity, alias, parent, String(parentId), String(childId)])

function endsOf({ identity, alias }: AddCall | RemoveCall, links: Model, models: Models): Ends | undefined {
  const near = links.junction?.ends.find(end => end.identity === identity && end.alias === alias)
  const far = links.junction?.ends.find(end => end !== near)
  if (near && far) return { parent: near.attribute, child: far.attribute }
  const collection = models.get(identity)?.associations.find(association => association.alias === alias)
  if (collection?.type !== 'collection' || collection.through !== links.identity || collection.via === undefined) {
    return undefined
  }
  const child = childAttribute(links, collection)
  return child === undefined ? undefined : { parent: collection.via, child }
}
