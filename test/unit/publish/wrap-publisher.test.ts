import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { besideBlueprints } from '../../../src/cli/publish-target.ts'
import { markingReplayed } from '../../../src/feed/replay.ts'
import type { MessageMeta, RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import type { Publisher } from '../../../src/publish/publisher.ts'
import { serialPublisher } from '../../../src/publish/serial-publisher.ts'
import { withFlush } from '../../../src/publish/socketio/cluster-publisher.ts'
import { type SentEvent, sentEvent } from '../../../src/publish/socketio/sent-event.ts'
import { wrapPublisher } from '../../../src/publish/wrap-publisher.ts'

const META = { cursor: '1.1.1', at: 0 }
const EVENT: RecordEvent = { verb: 'destroyed', identity: 'pet', id: 1 }

/** Its methods depend on `this`. */
class WholePublisher implements Required<Publisher> {
  readonly #called: string[] = []

  get called(): string[] {
    return this.#called.sort()
  }

  publish(_event: RecordEvent, _meta: MessageMeta): void {
    this.#called.push('publish')
  }

  drained(): void {
    this.#called.push('drained')
  }

  async check(): Promise<void> {
    this.#called.push('check')
  }

  hasReceivers(): boolean {
    this.#called.push('hasReceivers')
    return false
  }

  sent(event: RecordEvent, meta: MessageMeta): SentEvent {
    this.#called.push('sent')
    return sentEvent(event, meta, { models: new Map(), leftOut: () => [] })
  }

  skipped(): void {
    this.#called.push('skipped')
  }

  sockets(): number {
    this.#called.push('sockets')
    return 42
  }
}

/** A server with a Redis adapter whose backend accepts all messages. */
function serverOverRedis(): Server {
  const adapter = { pubClient: { publish: async () => 1 }, serverCount: async () => 1 }
  return { adapter, of: () => ({ adapter }) } as never
}

const wrappers: Readonly<Record<string, (publisher: Publisher) => Publisher>> = {
  wrapPublisher: publisher => wrapPublisher(publisher, (event, meta) => publisher.publish(event, meta)),
  serialPublisher,
  'withFlush, known adapter': publisher => withFlush(serverOverRedis(), publisher),
  'withFlush, unknown adapter': publisher => withFlush(new Server(), publisher),
  markingReplayed,
  besideBlueprints,
}

test.each(Object.entries(wrappers))('%s keeps every method', async (_name, wrap) => {
  const whole = new WholePublisher()
  const wrapped = wrap(whole)
  await wrapped.publish(EVENT, META)
  await wrapped.drained?.()
  await wrapped.check?.()
  expect(wrapped.hasReceivers?.(EVENT)).toBe(false)
  expect(wrapped.sent?.(EVENT, META).cursor).toBe(META.cursor)
  expect(wrapped.sockets?.()).toBe(42)
  expect(whole.called).toEqual(['check', 'drained', 'hasReceivers', 'publish', 'sent', 'sockets'])
})

test('a method that a publisher does not have is not added', () => {
  const wrapped = wrapPublisher({ publish() {} }, () => {})
  expect(Object.keys(wrapped)).toEqual(['publish'])
})
