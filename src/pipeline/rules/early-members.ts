import { compositeKey } from '../../composite-key.ts'
import type { Models } from '../../models/model.ts'
import type { AddedToEvent, RecordEvent, RemovedFromEvent } from '../../publish/mapping/record-event.ts'
import type { DeferredEvents, MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'

/** Maximum number of members remembered per tick. Beyond it, clients of the created records refetch. */
const REMEMBERED = 10_000

/**
 * A transaction may insert a member, or a link, before the record it belongs to. No socket is in that record's room at
 * the time, so `addedTo` is lost; it is published again after `created`. A transaction is published in one tick, so
 * members are remembered only within it.
 */
export class EarlyMembers implements Stage {
  readonly #models: Models
  #tick = -1n
  /** By record, then by attribute and member. */
  readonly #added = new Map<string, Map<string, AddedToEvent>>()
  /** Models of these records. */
  readonly #identities = new Set<string>()
  #remembered = 0
  readonly #incomplete = new Set<string>()

  constructor(models: Models) {
    this.#models = models
  }

  async revise(events: MappedEvent[], { tick }: StageContext): Promise<MappedEvent[]> {
    if (tick !== this.#tick) this.#begin(tick)
    const revised: MappedEvent[] = []
    for (const event of events) {
      if (event.verb !== 'deferred') revised.push(...this.#withEarlyMembers(event))
      else if (this.#mayForget(event)) {
        for (const each of await event.events()) revised.push(...this.#withEarlyMembers(each))
      } else revised.push(event)
    }
    return revised
  }

  /** Models with a record created in this tick that had too many early members to remember. */
  incomplete(): string[] {
    return [...this.#incomplete]
  }

  #begin(tick: bigint) {
    this.#tick = tick
    this.#added.clear()
    this.#identities.clear()
    this.#remembered = 0
    this.#incomplete.clear()
  }

  /** Whether the events may be about remembered members and must therefore be resolved. */
  #mayForget({ receivers }: DeferredEvents): boolean {
    if (receivers.verb !== 'removedFrom') return this.#identities.has(receivers.identity)
    return this.#added.get(recordOf(receivers))?.has(memberOf(receivers)) === true
  }

  #withEarlyMembers(event: RecordEvent): RecordEvent[] {
    if (event.verb === 'addedTo') this.#note(event)
    if (event.verb === 'removedFrom') this.#added.get(recordOf(event))?.delete(memberOf(event))
    if (event.verb === 'destroyed') this.#added.delete(recordOf(event))
    if (event.verb !== 'created') return [event]
    for (const reverse of event.reverse) this.#withEarlyMembers(reverse)
    if (this.#remembered >= REMEMBERED && this.#hasCollections(event.identity)) this.#incomplete.add(event.identity)
    return [event, ...(this.#added.get(recordOf(event))?.values() ?? [])]
  }

  #note(event: AddedToEvent) {
    if (this.#remembered >= REMEMBERED) return
    this.#remembered++
    this.#identities.add(event.identity)
    const record = recordOf(event)
    const members = this.#added.get(record) ?? new Map<string, AddedToEvent>()
    this.#added.set(record, members.set(memberOf(event), event))
  }

  #hasCollections(identity: string): boolean {
    return this.#models.get(identity)?.associations.some(({ type }) => type === 'collection') ?? false
  }
}

const recordOf = ({ identity, id }: { readonly identity: string; readonly id: unknown }) => compositeKey(identity, id)

const memberOf = ({ alias, childId }: AddedToEvent | RemovedFromEvent) => compositeKey(alias, childId)
