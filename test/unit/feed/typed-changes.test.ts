import { expectTypeOf, test } from 'vitest'
import { type Changefeed, createChangefeed, type TypedChangefeed } from '../../../src/changefeed.ts'
import type { ModelRecord } from '../../../src/models/model.ts'
import type { RoomChange } from '../../../src/models/selection.ts'
import type { ChangefeedOptions } from '../../../src/options.ts'
import type { Subscriber } from '../../../src/publish/socketio/subscriptions.ts'

interface UserRecord {
  readonly id: number
  readonly name: string
}

interface PetRecord {
  readonly id: number
  readonly owner: number | null
}

/** Checked by the compiler only, never run. */
function typed(options: ChangefeedOptions) {
  const feed = createChangefeed<{ user: UserRecord; pet: PetRecord }>(options)
  expectTypeOf(feed).toExtend<Changefeed>()
  feed.on('change', change => {
    expectTypeOf(change.identity).toEqualTypeOf<'user' | 'pet'>()
    if (change.identity === 'user') expectTypeOf(change.record).toEqualTypeOf<UserRecord | undefined>()
    else expectTypeOf(change.previous).toEqualTypeOf<PetRecord | undefined>()
    // @ts-expect-error: there is no such model
    if (change.identity === 'dog') return
  })
  feed.onChange(async ({ record }) => expectTypeOf(record).toEqualTypeOf<UserRecord | PetRecord | undefined>())
  feed.on('gap', ({ identities }) => expectTypeOf(identities).toEqualTypeOf<readonly string[]>())
  const untyped = createChangefeed(options)
  untyped.on('change', ({ identity, record }) => {
    expectTypeOf(identity).toEqualTypeOf<string>()
    expectTypeOf(record).toEqualTypeOf<ModelRecord | undefined>()
  })
}

interface Types {
  user: UserRecord
  pet: PetRecord
}

function typedRooms(options: ChangefeedOptions) {
  createChangefeed<Types>({
    ...options,
    models: {
      user: {
        omit: ['password'],
        rooms: (record, change) => {
          expectTypeOf(record).toEqualTypeOf<UserRecord>()
          expectTypeOf(change.previous).toEqualTypeOf<UserRecord | undefined>()
          expectTypeOf(change).toEqualTypeOf<RoomChange<UserRecord>>()
          return `named ${record.name}`
        },
      },
      pet: { rooms: ({ owner }) => (owner === null ? [] : [`owner ${owner}`]) },
      log: false,
      note: { noopUpdates: 'ignore' },
    },
  })
  createChangefeed<Types>({ ...options, models: { user: true, pet: false } })
  createChangefeed<Types>({ ...options, models: ['user', 'pet'] })
  // @ts-expect-error: the records of this model have no owner
  createChangefeed<Types>({ ...options, models: { user: { rooms: user => `owner ${user.owner}` } } })
  // @ts-expect-error: the record is another model's
  createChangefeed<Types>({ ...options, models: { user: { rooms: (pet: PetRecord) => `owner ${pet.owner}` } } })
  createChangefeed({
    ...options,
    models: {
      user: {
        rooms: (record, { previous }) => {
          expectTypeOf(record).toEqualTypeOf<ModelRecord>()
          expectTypeOf(previous).toEqualTypeOf<ModelRecord | undefined>()
          return `named ${record.name}`
        },
      },
    },
  })
}

async function typedSubscriptions(options: ChangefeedOptions, socket: Subscriber, anyName: string) {
  const feed = createChangefeed<Types>(options)
  expectTypeOf(feed.subscribe).parameter(1).toEqualTypeOf<'user' | 'pet'>()
  expectTypeOf(feed.unsubscribe).parameter(1).toEqualTypeOf<'user' | 'pet'>()
  await feed.subscribe(socket, 'user', [1, 2])
  await feed.unsubscribe(socket, 'pet')
  // @ts-expect-error: there is no such model
  await feed.subscribe(socket, 'dog')
  // @ts-expect-error: there is no such model
  await feed.unsubscribe(socket, 'dog', 1)
  // @ts-expect-error: may not be a model
  await feed.subscribe(socket, anyName)
  await createChangefeed(options).subscribe(socket, anyName, 1)
  await createChangefeed(options).unsubscribe(socket, anyName)
}

test('types rooms of a model and models of a subscription by the feed', () => {
  expectTypeOf(typedRooms).returns.toBeVoid()
  expectTypeOf(typedSubscriptions).returns.resolves.toBeVoid()
})

test('a feed with record types has typed changes', () => {
  expectTypeOf(typed).returns.toBeVoid()
  expectTypeOf<TypedChangefeed<{ user: UserRecord }>>().toHaveProperty('onChange')
})
