import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { serialPublisher } from '../../../src/publish/serial-publisher.ts'

const META = { cursor: '1.1.1', at: 0 }
const event = (id: number): RecordEvent => ({ verb: 'destroyed', identity: 'pet', id })

test('events of two callers never overlap, and a failure rejects only its own caller', async () => {
  const log: string[] = []
  const events = new EventEmitter()
  const gates = new Map([1, 2, 3].map(id => [id, once(events, `open ${id}`)]))
  const publisher = serialPublisher({
    async publish(each) {
      const id = 'id' in each ? Number(each.id) : 0
      log.push(`begin ${id}`)
      await gates.get(id)
      log.push(`end ${id}`)
      if (id === 1) throw new Error('refused')
    },
  })
  const first = Promise.resolve(publisher.publish(event(1), META))
  const [second, third] = [publisher.publish(event(2), META), publisher.publish(event(3), META)]
  expect(log).toEqual(['begin 1'])
  for (const id of [3, 2, 1]) events.emit(`open ${id}`)
  await expect(first).rejects.toThrow('refused')
  await Promise.all([second, third])
  expect(log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3'])
})

test('a single caller gets no promise for a synchronous event, also after an asynchronous one', async () => {
  const results: (Promise<void> | undefined)[] = [undefined, Promise.resolve(), undefined]
  const publisher = serialPublisher({ publish: () => results.shift() })
  expect(publisher.publish(event(1), META)).toBeUndefined()
  await publisher.publish(event(2), META)
  await new Promise(setImmediate)
  expect(publisher.publish(event(3), META)).toBeUndefined()
})

test('hasReceivers is true while another event is being published', async () => {
  const publisher = serialPublisher({ publish: () => new Promise(setImmediate), hasReceivers: () => false })
  expect(publisher.hasReceivers?.(event(1))).toBe(false)
  const underway = publisher.publish(event(1), META)
  expect(publisher.hasReceivers?.(event(2))).toBe(true)
  await underway
  await new Promise(setImmediate)
  expect(publisher.hasReceivers?.(event(2))).toBe(false)
})
