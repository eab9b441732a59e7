import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/logger.ts'
import { EventPublisher } from '../../../src/pipeline/event-publisher.ts'
import { FeedEmitter } from '../../../src/pipeline/events.ts'
import { PublisherWatch } from '../../../src/pipeline/publisher-watch.ts'
import { eventOf } from '../../helpers/eventually.ts'

const event = { verb: 'refetch', identity: 'pet', reason: 'gap' } as const
const meta = { cursor: '1.1.1', at: 1 }

test('a reachable backend that rejects messages stays reported, with the start of the outage', async () => {
  let isRefusing = true
  const publisher = {
    async publish() {
      if (isRefusing) throw Object.assign(new Error('READONLY'), { retryable: true })
    },
    async check() {},
  }
  const events = new FeedEmitter()
  const publisherWatch = new PublisherWatch(events)
  const publisherOfFeed = new EventPublisher({ publisher, publisherWatch, events, logger: silentLogger })
  const began = eventOf(events, 'outage')
  const published = publisherOfFeed.publish(event, meta, { signal: new AbortController().signal, check() {} })
  await began
  const { outage } = publisherWatch
  await publisherOfFeed.check() // between two attempts
  expect(publisherWatch.outage).toEqual(outage)
  isRefusing = false
  await published
  expect(publisherWatch.outage).toBeNull()
})
