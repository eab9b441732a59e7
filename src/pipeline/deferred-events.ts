import type { RecordEvent } from '../publish/mapping/record-event.ts'

/** Whether anyone notices an event that is published now. */
export type HasReceivers = (event: RecordEvent) => boolean

/**
 * Events that had no receivers when their change was mapped, and that take queries to know. They are looked up and published
 * only if they have receivers when their turn comes.
 */
export interface DeferredEvents {
  readonly verb: 'deferred'
  readonly identity: string
  /** Has receivers if any of the events has. */
  readonly receivers: RecordEvent
  events(): Promise<readonly RecordEvent[]>
}

/** What a change is mapped to. */
export type MappedEvent = RecordEvent | DeferredEvents

export const deferredEvents = (receivers: RecordEvent, events: DeferredEvents['events']): DeferredEvents => ({
  verb: 'deferred',
  identity: receivers.identity,
  receivers,
  events,
})
