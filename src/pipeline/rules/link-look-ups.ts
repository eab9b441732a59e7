import { setTimeout as sleep } from 'node:timers/promises'
import { compositeKey, groupBy } from '../../composite-key.ts'
import type { Database } from '../../db/connect.ts'
import { asError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Models } from '../../models/model.ts'
import { removals } from '../../publish/mapping/record-events.ts'
import { DatabaseUnavailable, rethrowUnavailable } from '../connection-errors.ts'
import type { StageContext } from '../stage.ts'
import { type ExistingLinks, type Pair, readExistingLinks } from './existing-links.ts'
import { type Link, linkOf } from './link.ts'

/** Minimum age of a deletion before its link counts as removed, in milliseconds. */
const WINDOW_MS = 50

export interface LinkLookUpsParts {
  readonly db: Database
  readonly models: Models
  readonly logger: Logger
}

/** A deleted link, independent of the side it is seen from, with the time of deletion. */
interface Deleted {
  readonly link: Link
  readonly attributes: readonly [a: string, b: string]
  readonly pair: Pair
  readonly at: number
}

/**
 * Looks up whether links deleted in a page still exist, for all of a table at once when the first is published. An
 * answer may be older than the publishing of its change, because a later insert or delete of the link is a change of
 * its own.
 */
export class LinkLookUps {
  readonly #parts: LinkLookUpsParts
  /** Results for the current page, by link. */
  readonly #exists = new Map<string, boolean>()
  /**
   * Links that were missing shortly after their deletion, when a following insertion may not have been committed yet.
   */
  readonly #early = new Map<string, Deleted>()
  /** When the most recent of these deletions reaches the minimum age, by `performance.now()`. */
  #oldEnoughAt = 0

  constructor(parts: LinkLookUpsParts) {
    this.#parts = parts
  }

  /** Call before each page. */
  begin(): void {
    this.#exists.clear()
    this.#early.clear()
  }

  /**
   * False if the links cannot be read, for example without the privilege. Rejects with the signal's reason when
   * aborted.
   */
  async exists(link: Link, context: StageContext): Promise<boolean> {
    const deleted = deletionOf(link, context.meta.at)
    const key = keyOf(deleted)
    if (!this.#exists.has(key)) await this.#look(await this.#withUpcoming(deleted, context))
    if (this.#early.has(key)) await this.#lookAgain(context.signal)
    return this.#exists.get(key) ?? false
  }

  /** Adds the links of the same table that the rest of the page deletes, each with its last deletion. */
  async #withUpcoming(deleted: Deleted, { change, upcoming }: StageContext): Promise<Map<string, Deleted>> {
    const found = new Map([[keyOf(deleted), deleted]])
    for (const { change: later, at } of await upcoming()) {
      for (const event of removals(later, this.#parts.models)) {
        const link = linkOf(event, change.model)
        if (link) this.#add(found, deletionOf(link, at))
      }
    }
    return found
  }

  #add(found: Map<string, Deleted>, deleted: Deleted) {
    const key = keyOf(deleted)
    const earlier = found.get(key)
    if (!this.#exists.has(key) && (!earlier || earlier.at < deleted.at)) found.set(key, deleted)
  }

  async #look(deletions: ReadonlyMap<string, Deleted>) {
    let leastAge = WINDOW_MS
    for (const [key, { exists, age }] of await this.#read(deletions)) {
      this.#exists.set(key, exists)
      const deleted = deletions.get(key)
      if (exists || age >= WINDOW_MS || !deleted) continue
      this.#early.set(key, deleted)
      leastAge = Math.min(leastAge, Math.max(age, 0))
    }
    this.#oldEnoughAt = Math.max(this.#oldEnoughAt, performance.now() + WINDOW_MS - leastAge)
  }

  async #lookAgain(signal: AbortSignal) {
    const waitMs = this.#oldEnoughAt - performance.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { signal })
    for (const [key, { exists }] of await this.#read(this.#early)) this.#exists.set(key, exists)
    this.#early.clear()
  }

  async #read(deletions: ReadonlyMap<string, Deleted>): Promise<Map<string, { exists: boolean; age: number }>> {
    const answers = new Map<string, { exists: boolean; age: number }>()
    for (const group of groupsOf(deletions.values())) {
      const { existing, at } = await this.#readGroup(group)
      for (const each of group) answers.set(keyOf(each), { exists: existing.has(each.pair), age: at - each.at })
    }
    return answers
  }

  async #readGroup(group: Group): Promise<ExistingLinks> {
    const [{ link, attributes }] = group
    const asked = { links: link.links, attributes, pairs: group.map(({ pair }) => pair) }
    try {
      return await rethrowUnavailable(() => readExistingLinks(this.#parts.db, asked))
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error.cause
      this.#parts.logger.warn(
        'Links could not be read: removedFrom is published even if another row holds the same link',
        { model: link.links.identity, error: asError(error).message },
      )
      return { existing: new Set(), at: Number.POSITIVE_INFINITY }
    }
  }
}

/** Links with the same attributes of one model. */
type Group = [Deleted, ...Deleted[]]

function groupsOf(deletions: Iterable<Deleted>): Iterable<Group> {
  return groupBy(deletions, ({ link, attributes }) => [link.links.identity, ...attributes])
}

function deletionOf(link: Link, at: number): Deleted {
  const { parent, child, parentId, childId } = link
  return parent < child
    ? { link, attributes: [parent, child], pair: { a: parentId, b: childId }, at }
    : { link, attributes: [child, parent], pair: { a: childId, b: parentId }, at }
}

const keyOf = ({ link, attributes, pair }: Deleted) => compositeKey(link.links.identity, ...attributes, pair.a, pair.b)
