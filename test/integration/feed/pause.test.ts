import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import type { ChangefeedOptions } from '../../../src/options.ts'
import { listPauses, pauseModels, resumeModels } from '../../../src/pipeline/pauses.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, type Shop, summary } from './fixture.ts'

function operator({ database: { connectionString } }: Shop) {
  const db = openDatabase({ connectionString, applicationName: 'operator' }, 'changefeed')
  afterScope(() => db.close())
  return db
}

test.each(['leader', 'local'] as const)(
  'changes of a paused model are skipped and counted, and affected clients refetch after resuming (%s)',
  async publish => {
    const shop = await openInstalledShop()
    const db = operator(shop)
    const feed = shop.feed({ publish })
    await feed.start()
    expect(await pauseModels(db, ['pet'])).toEqual(['pet'])
    expect(await pauseModels(db, ['pet'])).toEqual([])
    await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
    await shop.database.query(`insert into "user" (id, name) values (1, 'ann')`)
    await feed.settled()
    expect(summary(shop.published)).toEqual(['created user 1'])
    await eventually(async () => expect(await listPauses(db)).toMatchObject([{ identity: 'pet', withheld: 1 }]), {
      withinMs: 10_000,
    })
    const gap = eventOf(feed, 'gap')
    expect(await resumeModels(db, [])).toEqual(['pet'])
    expect(await gap).toEqual([{ reason: 'gap', identities: ['pet', 'user'] }])
    await shop.database.query(`insert into pet (id, name) values (2, 'max')`)
    await feed.settled()
    expect(summary(shop.published)).toEqual(['created user 1', 'refetch pet', 'refetch user', 'created pet 2'])
  },
)

test('after resuming while no feed runs, the next leader notifies all clients once', async () => {
  const shop = await openInstalledShop()
  const db = operator(shop)
  const options: Partial<ChangefeedOptions> = { publish: 'leader' }
  const first = shop.feed(options)
  await pauseModels(db, ['pet'])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await first.start()
  await first.settled()
  await first.stop()
  await resumeModels(db, ['pet'])
  const second = shop.feed(options)
  await second.start()
  await eventually(async () => expect(await listPauses(db)).toEqual([]), { withinMs: 10_000 })
  await second.stop()
  const third = shop.feed(options)
  await third.start()
  await third.settled()
  expect(summary(shop.published)).toEqual(['refetch pet', 'refetch user'])
})
