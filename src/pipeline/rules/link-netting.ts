import type { AddedToEvent, MessageMeta, RecordEvent } from '../../publish/mapping/record-event.ts'
import { parseOrigin } from '../../publish/origin.ts'
import { deferredEvents, type HasReceivers, type MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'
import { linkOf } from './link.ts'
import { LinkLookUps, type LinkLookUpsParts } from './link-look-ups.ts'
import type { MemberMemory } from './member-memory.ts'

export interface LinkNettingParts extends LinkLookUpsParts {
  readonly hasReceivers: HasReceivers
  readonly memory: MemberMemory
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
  readonly #memory: MemberMemory

  constructor(parts: LinkNettingParts) {
    this.#hasReceivers = parts.hasReceivers
    this.#lookUps = new LinkLookUps(parts)
    this.#memory = parts.memory
  }

  begin(): void {
    this.#lookUps.begin()
  }

  async revise(events: MappedEvent[], context: StageContext): Promise<MappedEvent[]> {
    const revised: MappedEvent[] = []
    for (const event of events) {
      const link = event.verb !== 'deferred' && linkOf(event, context.change.model)
      if (!link) revised.push(event)
      else if (event.verb === 'addedTo') revised.push(this.#isKept(event, context) ? { ...event, kept: true } : event)
      else if (!this.#mustKnow(event, context))
        revised.push(deferredEvents(event, async () => ((await this.#lookUps.exists(link, context)) ? [] : [event])))
      else if (await this.#lookUps.exists(link, context)) this.#noteDeletion(event, context)
      else revised.push(event)
    }
    return revised
  }

  /** A blueprint's deletion must be resolved even without receivers, since an insertion may follow it. */
  #mustKnow(event: RecordEvent, { meta }: StageContext): boolean {
    return parseOrigin(meta.origin)?.blueprint === true || this.#hasReceivers(event)
  }

  #noteDeletion(event: RecordEvent, { meta }: StageContext) {
    if (event.verb !== 'removedFrom' || !parseOrigin(meta.origin)?.blueprint) return
    this.#memory.add(requestOf(meta), { ...event, verb: 'addedTo' })
  }

  /** Whether the request that inserts the link had deleted it without a published message. */
  #isKept(event: AddedToEvent, { meta }: StageContext): boolean {
    return parseOrigin(meta.origin)?.blueprint === true && this.#memory.remove(requestOf(meta), event)
  }
}

const requestOf = ({ origin = '' }: MessageMeta) => ({ request: origin })
