import type { MessageMeta, RecordEvent } from '../publish/mapping/record-event.ts'
import type { Publisher } from '../publish/publisher.ts'
import { wrapPublisher } from '../publish/wrap-publisher.ts'
import type { RecentEvents } from './recent-events.ts'

/** Keeps what it publishes, if the publisher can tell what it sends. */
export function recordingPublisher(publisher: Publisher, recent: RecentEvents): Publisher {
  const { sent } = publisher
  if (!sent) return publisher
  let last: RecordEvent | undefined
  const record = (event: RecordEvent, meta: MessageMeta) => {
    if (event === last) return // a retry
    last = event
    if (publisher.hasReceivers?.(event) === false) recent.skip(event, meta)
    else recent.add(event, sent.call(publisher, event, meta))
  }
  const recording = wrapPublisher(publisher, (event, meta) => {
    record(event, meta)
    const sending = publisher.publish(event, meta)
    return sending && recent.sendingUntil(sending)
  })
  return {
    ...recording,
    skipped(event, meta) {
      recent.skip(event, meta)
      publisher.skipped?.(event, meta)
    },
  }
}
