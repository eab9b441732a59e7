import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Server } from 'socket.io'
import { expect, test } from 'vitest'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { withFlush } from '../../../src/publish/socketio/cluster-publisher.ts'
import { eventually } from '../../helpers/eventually.ts'

const meta = { cursor: '1.1.1', at: 0 }
const destroy = (id: number): RecordEvent => ({ verb: 'destroyed', identity: 'pet', id })

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A server with the parts of a Redis adapter that are used. */
function serverOver(pubClient: object): Server & { readonly adapter: { readonly pubClient: { publish(): unknown } } } {
  const adapter = { pubClient, serverCount: async () => 1 }
  return { adapter, of: () => ({ adapter }) } as never
}

test('an error of the publisher itself is not retryable', async () => {
  const published: unknown[] = []
  const publisher = withFlush(serverOver({ publish: async () => 1 }), {
    publish(event) {
      if ('id' in event && event.id === 1) throw new Error('an override of the app')
      published.push(event)
    },
  })
  const refused = publisher.publish(destroy(1), meta)
  await expect(refused).rejects.toThrow('an override of the app')
  await expect(refused).rejects.not.toHaveProperty('retryable')
  await publisher.publish(destroy(2), meta)
  expect(published).toEqual([destroy(2)])
})

test('an error of the backend is retryable', async () => {
  let isDown = true
  const io = serverOver({ publish: () => (isDown ? Promise.reject(new Error('closed')) : Promise.resolve(1)) })
  const publisher = withFlush(io, { publish: () => void io.adapter.pubClient.publish() })
  await expect(publisher.publish(destroy(1), meta)).rejects.toMatchObject({ retryable: true })
  isDown = false
  await publisher.publish(destroy(1), meta)
})

test("on a node that does not publish, the app's own messages are not retained", async () => {
  const io = serverOver({ publish: async () => 1 })
  withFlush(io, { publish() {} })
  const sent = Array.from({ length: 1_000 }, () => new WeakRef(io.adapter.pubClient.publish() as object))
  await eventually(() => {
    collectGarbage()
    expect(sent.filter(each => each.deref() !== undefined)).toEqual([])
  })
})

test('an app that sends continuously does not block the feed', async () => {
  const io = serverOver({ publish: () => new Promise(resolve => setTimeout(resolve, 5)) })
  const publisher = withFlush(io, { publish: () => void io.adapter.pubClient.publish() })
  const sending = setInterval(() => io.adapter.pubClient.publish(), 1)
  try {
    await publisher.publish(destroy(1), meta)
  } finally {
    clearInterval(sending)
  }
})
