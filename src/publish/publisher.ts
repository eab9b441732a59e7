import type { MessageMeta, PublishCall } from './call.ts'

/**
 * Where publish calls go. `publish` is called in feed order, one at a time; the next call waits for a returned promise.
 * A throw or rejection is reported with the change's cursor and the change is skipped, except one whose error has
 * `retryable === true` (the adapter's backend is down): then the feed waits and tries the same call again.
 */
export interface Publisher {
  publish(call: PublishCall, meta: MessageMeta): void | Promise<void>
}
