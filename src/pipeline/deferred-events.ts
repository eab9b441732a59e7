import type { RecordEvent } from '../publish/mapping/record-event.ts'

/** Whether anyone receives an event that is published now. */
export type HasReceivers = (event: RecordEvent) => boolean

/**
 * Events that need queries and had no receivers when their change was mapped. They are looked up and published only if
 * they have receivers when it is their turn.
 */
export interface DeferredEvents {
  readonly verb: 'deferred'
  readonly identity: string
  /** Has receivers if any of the events does. */
  readonly receivers: RecordEvent
  events(): Promise<readonly RecordEvent[]>
}

/** The result of mapping a change. */
export type MappedEvent = RecordEvent | DeferredEvents

export const deferredEvents = (receivers: RecordEvent, events: DeferredEvents['events']): DeferredEvents => ({
  verb: 'deferred',
  identity: receivers.identity,
  receivers,
  events,
})
