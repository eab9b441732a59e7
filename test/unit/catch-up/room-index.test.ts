import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RoomIndex } from '../../../src/catch-up/room-index.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { sentEvent } from '../../../src/publish/socketio/sent-event.ts'

const identity = 'pet'

const eventOf = (verb: string, id: number): RecordEvent => {
  if (verb === 'created') return { verb, identity, id, record: { id }, reverse: [] }
  if (verb === 'updated') return { verb, identity, id, changes: { id } }
  if (verb === 'destroyed') return { verb, identity, id }
  return { verb: 'refetch', identity, reason: 'bulk' }
}

const sentOf = (event: RecordEvent) =>
  sentEvent(event, { cursor: '1.1.1', at: 0 }, { models: new Map(), leftOut: () => [] })

/** What a socket does with each event: whether it concerned it, and its rooms afterwards. */
function apply(rooms: Set<string>, { steps }: ReturnType<typeof sentOf>): boolean {
  let concerned = false
  for (const step of steps) {
    if (step.do === 'refetch') concerned = true
    if (step.do === 'emit') concerned ||= step.rooms.some(room => rooms.has(room)) || isWatchedEnd(step.payload, rooms)
    if (step.do === 'subscribe' && rooms.has(step.from)) rooms.add(step.to)
    if (step.do === 'unsubscribe') rooms.delete(recordRoom(step.identity, step.id))
  }
  return concerned
}

const isWatchedEnd = (payload: object, rooms: ReadonlySet<string>) =>
  'verb' in payload && payload.verb === 'destroyed' && rooms.has(classRoom(identity))

test('the numbers are those of a socket that looks at every event, while it joins and leaves rooms', () => {
  const verb = fc.constantFrom('created', 'updated', 'updated', 'destroyed', 'refetch')
  const events = fc.array(fc.tuple(verb, fc.integer({ min: 1, max: 4 })), { maxLength: 40 })
  const initial = fc.uniqueArray(fc.constantFrom(classRoom(identity), ...[1, 2, 3].map(id => recordRoom(identity, id))))
  const bounds = fc.tuple(fc.nat(40), fc.nat(40))
  const property = fc.property(events, initial, bounds, (all, first, [start, end]) => {
    const sent = all.map(([each, id]) => sentOf(eventOf(each, id)))
    const index = new RoomIndex()
    for (const [number, each] of sent.entries()) index.add(number, each)
    const [plain, indexed] = [new Set(first), new Set(first)]
    const expected = sent.flatMap((each, number) =>
      number >= start && number < end && apply(plain, each) ? [number] : [],
    )
    const found: number[] = []
    for (const number of index.concerning(indexed, start, end)) {
      if (apply(indexed, sent[number] as (typeof sent)[number])) found.push(number)
    }
    expect(found).toEqual(expected)
    expect([...indexed].sort()).toEqual([...plain].sort())
  })
  fc.assert(property, { numRuns: 500 })
})

test('events of other rooms are not visited', () => {
  const index = new RoomIndex()
  for (let number = 0; number < 100; number++) index.add(number, sentOf(eventOf('updated', number % 10)))
  const rooms = new Set([recordRoom(identity, 3), 'a room of the app'])
  expect([...index.concerning(rooms, 10, 50)]).toEqual([13, 23, 33, 43])
})
