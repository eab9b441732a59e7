import type { MessageMeta, RecordEvent } from './mapping/record-event.ts'
import type { Publisher } from './publisher.ts'
import { wrapPublisher } from './wrap-publisher.ts'

/**
 * Lets several callers share a publisher that accepts one event at a time: an event waits while another is being published.
 * With a single caller it adds no delay.
 */
export function serialPublisher(publisher: Publisher): Publisher {
  let underway: Promise<unknown> | null = null
  const publish = (event: RecordEvent, meta: MessageMeta) => {
    const result = underway ? underway.then(() => publisher.publish(event, meta)) : publisher.publish(event, meta)
    if (!result) return
    const settled: Promise<unknown> = result
      .catch(() => {}) // its caller handles the error
      .then(() => {
        if (underway === settled) underway = null
      })
    underway = settled
    return result
  }
  const serial = wrapPublisher(publisher, publish)
  const { hasReceivers } = serial
  /** True while another event is being published, because it may add sockets to rooms. */
  const mayHaveReceivers = (event: RecordEvent) => underway !== null || hasReceivers?.(event) === true
  return { ...serial, ...(hasReceivers && { hasReceivers: mayHaveReceivers }) }
}
