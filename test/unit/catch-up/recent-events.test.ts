import { expect, test } from 'vitest'
import { RecentEvents } from '../../../src/catch-up/recent-events.ts'
import { recordingPublisher } from '../../../src/catch-up/recording-publisher.ts'
import { formatCursor } from '../../../src/change-log/cursor.ts'
import type { Position } from '../../../src/change-log/position.ts'
import { WHOLE_TICK } from '../../../src/change-log/tick.ts'
import type { MessageMeta, RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { classRoom } from '../../../src/publish/socketio/rooms.ts'
import { sentEvent } from '../../../src/publish/socketio/sent-event.ts'
import { eventually } from '../../helpers/eventually.ts'
import { models } from '../../integration/publish/school-models.ts'

const cursor = (tick: number, seq = 1) => ({ epoch: 1, tick: BigInt(tick), seq: BigInt(seq) })
const completeAfter = (tick: number) => ({ epoch: 1, tick: BigInt(tick), seq: WHOLE_TICK })
const position = (tick: number, epoch = 1) =>
  ({ epoch, tick: { id: BigInt(tick) }, partial: null }) as unknown as Position
const metaOf = (tick: number, seq = 1): MessageMeta => ({ cursor: formatCursor(cursor(tick, seq)), at: 0 })
const created = (id: number): RecordEvent => ({ verb: 'created', identity: 'pet', id, record: { id }, reverse: [] })

function memory(maxBytes = 1e6) {
  const recent = new RecentEvents(maxBytes)
  recent.begin(position(10), { isContinuous: true })
  const add = (tick: number, seq = 1) => {
    const event = created(tick * 100 + seq)
    recent.add(event, sentEvent(event, metaOf(tick, seq), { models, leftOut: () => [] }))
  }
  const cursors = (start = 0) =>
    [...recent.concerning(new Set([classRoom('pet')]), start, recent.end)].map(sent => sent?.cursor)
  return { recent, add, cursors }
}

test('events are complete behind the position at which publishing began', () => {
  const { recent, add, cursors } = memory()
  add(10) // the rest of a tick
  add(11)
  expect(recent.completeFrom(['pet'])).toEqual(completeAfter(10))
  expect(cursors()).toEqual([metaOf(11).cursor])
  expect(recent.last).toBe(metaOf(11).cursor)
})

test('whole ticks are dropped, and the memory stays below its limit', () => {
  const { recent, add, cursors } = memory(5_000)
  for (let tick = 11; tick <= 60; tick++) for (const seq of [1, 2]) add(tick, seq)
  expect(recent.bytes).toBeLessThanOrEqual(5_000)
  const { tick = 0n } = recent.completeFrom(['pet']) ?? {}
  const first = recent.numberAfter(completeAfter(Number(tick)), false)
  expect(cursors(first)[0]).toBe(metaOf(Number(tick) + 1, 1).cursor)
  expect(cursors(first)).toHaveLength(2 * (60 - Number(tick)))
  expect(cursors(0)[0]).toBeUndefined() // dropped
})

test('an event that was not kept makes the memory complete behind it, for its models', () => {
  const { recent, add } = memory()
  add(11)
  const reverse = [{ verb: 'addedTo', identity: 'owner', id: 1, alias: 'pets', childId: 2 }] as const
  recent.skip({ verb: 'created', identity: 'pet', id: 2, record: { id: 2 }, reverse }, metaOf(12))
  for (const identity of ['pet', 'owner']) expect(recent.completeFrom([identity])).toEqual(completeAfter(12))
  expect(recent.completeFrom(['student'])).toEqual(completeAfter(10))
})

test('a session that continues keeps the memory; another node in between, and another epoch, clear it', () => {
  const { recent, add } = memory()
  add(11)
  recent.begin(position(11), { isContinuous: true })
  expect(recent.completeFrom(['pet'])).toEqual(completeAfter(10))
  recent.stop()
  expect([recent.isRecording, recent.completeFrom(['pet'])]).toEqual([false, null])
  add(12)
  recent.begin(position(15), { isContinuous: false })
  expect(recent.completeFrom(['pet'])).toEqual(completeAfter(15))
  add(16)
  recent.begin(position(16, 2), { isContinuous: true })
  expect([recent.bytes, recent.completeFrom(['pet'])]).toEqual([0, { ...completeAfter(16), epoch: 2 }])
})

test('a retried event is kept once, and code that waits for its end runs before the next event', async () => {
  const { recent } = memory()
  const order: string[] = []
  const ends: (() => void)[] = []
  const publisher = recordingPublisher(
    {
      publish: (event: RecordEvent) => {
        order.push(`publish ${(event as { id: number }).id}`)
        return new Promise<void>(resolve => ends.push(resolve))
      },
      sent: (event, meta) => sentEvent(event, meta, { models, leftOut: () => [] }),
    },
    recent,
  )
  const first = created(1)
  const attempt = publisher.publish(first, metaOf(11))
  const dispatched = (async () => {
    await publisher.publish(first, metaOf(11))
    await publisher.publish(created(2), metaOf(12))
  })()
  expect(recent.end).toBe(1)
  const waited = (async () => {
    await recent.sending
    order.push('released')
  })()
  ends[0]?.()
  await attempt
  ends[1]?.()
  await waited
  await eventually(() => expect(ends).toHaveLength(3))
  ends[2]?.()
  await dispatched
  expect(order).toEqual(['publish 1', 'publish 1', 'released', 'publish 2'])
})
