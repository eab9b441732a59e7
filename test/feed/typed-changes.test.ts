import { expectTypeOf, test } from 'vitest'
import { type Changefeed, createChangefeed, type TypedChangefeed } from '../../src/changefeed.ts'
import type { ModelRecord } from '../../src/ontology/model.ts'
import type { ChangefeedOptions } from '../../src/options.ts'

interface UserRecord {
  readonly id: number
  readonly name: string
}

interface PetRecord {
  readonly id: number
  readonly owner: number | null
}

/** Checked by the compiler alone: nothing here runs. */
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

test('a feed with the types of its records has typed changes', () => {
  expectTypeOf(typed).returns.toBeVoid()
  expectTypeOf<TypedChangefeed<{ user: UserRecord }>>().toHaveProperty('onChange')
})
