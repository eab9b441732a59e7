import { BoundedMap } from '../../bounded-map.ts'
import { compositeKey } from '../../composite-key.ts'
import type { RecordEvent } from '../../publish/mapping/record-event.ts'
import { parseOrigin } from '../../publish/origin.ts'
import { deferredEvents, type HasReceivers, type MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'
import { type Link, linkOf } from './link.ts'
import { LinkLookUps, type LinkLookUpsParts } from './link-look-ups.ts'

/**
 * Maximum number of remembered links that blueprints deleted and have not reinserted. Beyond it, the insertion is
 * published.
 */
const REMEMBERED = 10_000

export interface LinkNettingParts extends LinkLookUpsParts {
  readonly hasReceivers: HasReceivers
}

/**
 * To replace the members of a collection, Waterline deletes all links and inserts the new ones in two transactions; a
 * table may also hold a link twice. So `removedFrom` is dropped if the link exists when it would be published: a later
 * deletion is a change of its own. `addedTo` is never dropped, since a client may have read the members between the two
 * transactions.
 */
export class LinkNetting implements Stage {
  readonly #hasReceivers: HasReceivers
  readonly #lookUps: LinkLookUps
  /** By request and link. */
  readonly #deletedByBlueprint = new BoundedMap<string, true>({ count: REMEMBERED })

  constructor(parts: LinkNettingParts) {
    this.#hasReceivers = parts.hasReceivers
    this.#lookUps = new LinkLookUps(parts)
  }

  begin(): void {
    this.#lookUps.begin()
  }

  async revise(events: MappedEvent[], context: StageContext): Promise<MappedEvent[]> {
    const revised: MappedEvent[] = []
    for (const event of events) {
      const link = event.verb !== 'deferred' && linkOf(event, context.change.model)
      if (!link) revised.push(event)
      else if (event.verb === 'addedTo') revised.push(this.#isKept(link, context) ? { ...event, kept: true } : event)
      else if (!this.#mustKnow(event, context))
        revised.push(deferredEvents(event, async () => ((await this.#lookUps.exists(link, context)) ? [] : [event])))
      else if (await this.#lookUps.exists(link, context)) this.#noteDeletion(link, context)
      else revised.push(event)
    }
    return revised
  }

  /** A blueprint's deletion must be resolved even without receivers, since an insertion may follow it. */
  #mustKnow(event: RecordEvent, { meta }: StageContext): boolean {
    return parseOrigin(meta.origin)?.blueprint === true || this.#hasReceivers(event)
  }

  #noteDeletion(link: Link, { meta }: StageContext) {
    if (!parseOrigin(meta.origin)?.blueprint) return
    this.#deletedByBlueprint.set(keyOf(link, meta.origin), true)
  }

  /** Whether the request that inserts the link had deleted it without a published message. */
  #isKept(link: Link, { meta }: StageContext): boolean {
    return this.#deletedByBlueprint.size > 0 && this.#deletedByBlueprint.delete(keyOf(link, meta.origin))
  }
}

/** In an implicit junction table, both collections describe the same link, so each has its own key. */
const keyOf = ({ links, alias, parent, parentId, childId }: Link, origin = '') =>
  compositeKey(origin, links.identity, alias, parent, parentId, childId)
