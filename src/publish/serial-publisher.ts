import type { MessageMeta, RecordEvent } from './mapping/record-event.ts'
import type { Publisher } from './publisher.ts'
import { wrapPublisher } from './wrap-publisher.ts'

/**
 * Lets several callers share a publisher, which takes one event at a time: an event that comes while another is being published
 * waits for it. Without another caller it adds no wait.
 */
export function serialPublisher(publisher: Publisher): Publisher {
  let underway: Promise<unknown> | null = null
  const publish = (event: RecordEvent, meta: MessageMeta) => {
    const result = underway ? underway.then(() => publisher.publish(event, meta)) : publisher.publish(event, meta)
    if (!result) return
    const settled: Promise<unknown> = result
      .catch(() => {}) // its caller is told
      .then(() => {
        if (underway === settled) underway = null
      })
    underway = settled
    return result
  }
  const serial = wrapPublisher(publisher, publish)
  const { hasReceivers } = serial
  /** The event that is waited for may bring sockets into rooms. */
  const mayHaveReceivers = (event: RecordEvent) => underway !== null || hasReceivers?.(event) === true
  return { ...serial, ...(hasReceivers && { hasReceivers: mayHaveReceivers }) }
}
