import type { Models } from '../../models/model.ts'
import type { AddedToEvent, RecordEvent } from '../../publish/mapping/record-event.ts'
import type { DeferredEvents, MappedEvent } from '../deferred-events.ts'
import type { Stage, StageContext } from '../stage.ts'
import type { MemberMemory } from './member-memory.ts'

/**
 * A transaction may insert a member, or a link, before the record it belongs to. No socket is in that record's room at
 * the time, so `addedTo` is lost; it is published again after `created`. A transaction is published in one tick, so
 * members are remembered only within it. If there are too many, clients of the created records refetch.
 */
export class EarlyMembers implements Stage {
  readonly #models: Models
  readonly #memory: MemberMemory
  #tick = -1n
  /** Models of remembered members' records. */
  readonly #identities = new Set<string>()
  readonly #incomplete = new Set<string>()

  constructor(models: Models, memory: MemberMemory) {
    this.#models = models
    this.#memory = memory
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

  get #scope() {
    return { tick: this.#tick }
  }

  #begin(tick: bigint) {
    this.#tick = tick
    this.#identities.clear()
    this.#incomplete.clear()
  }

  /** Whether the events may be about remembered members and must therefore be resolved. */
  #mayForget({ receivers }: DeferredEvents): boolean {
    if (receivers.verb !== 'removedFrom') return this.#identities.has(receivers.identity)
    return this.#memory.has(this.#scope, receivers)
  }

  #withEarlyMembers(event: RecordEvent): RecordEvent[] {
    if (event.verb === 'addedTo') this.#note(event)
    if (event.verb === 'removedFrom') this.#memory.remove(this.#scope, event)
    if (event.verb === 'destroyed') this.#memory.removeAll(this.#scope, event)
    if (event.verb !== 'created') return [event]
    for (const reverse of event.reverse) this.#withEarlyMembers(reverse)
    const isComplete = this.#memory.isComplete(this.#scope)
    if (!isComplete && this.#hasCollections(event.identity)) this.#incomplete.add(event.identity)
    return [event, ...this.#memory.of(this.#scope, event)]
  }

  #note(event: AddedToEvent) {
    this.#identities.add(event.identity)
    this.#memory.add(this.#scope, event)
  }

  #hasCollections(identity: string): boolean {
    return this.#models.get(identity)?.associations.some(({ type }) => type === 'collection') ?? false
  }
}
