import { expect, test } from 'vitest'
import { gateKey } from '../../../src/wakeup/channel.ts'
import { Gate } from '../../../src/wakeup/gate.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop } from '../feed/fixture.ts'

async function openGate() {
  const database = await testDatabase()
  const key = gateKey('changefeed')
  const gate = await Gate.connect(
    { connectionString: database.connectionString, applicationName: 'gate' },
    key,
    () => {},
  )
  afterScope(() => gate.disconnect())
  const writer = await database.connect()
  /** As a trigger does; true when it need not notify. */
  const share = async () => {
    const { rows } = await writer.query<{ got: boolean }>('select pg_try_advisory_xact_lock_shared($1, $2) as got', [
      ...key,
    ])
    return rows[0]?.got
  }
  return { gate, writer, share, database }
}

test('writers notify only while the listener holds or awaits the gate', async () => {
  const { gate, writer, share, database } = await openGate()
  expect(await share()).toBe(true)
  expect(await gate.close(1_000)).toBe(true)
  expect(await share()).toBe(false)
  await gate.open()
  expect(await share()).toBe(true)
  await writer.query('begin')
  await share()
  const closing = gate.close(10_000)
  const other = await database.connect()
  await eventually(async () => {
    const { rows } = await other.query('select pg_try_advisory_xact_lock_shared($1, $2) as got', [
      ...gateKey('changefeed'),
    ])
    expect(rows[0].got).toBe(false)
  })
  await writer.query('commit')
  expect(await closing).toBe(true)
})

test('the gate is refused while a transaction that did not notify stays open', async () => {
  const { gate, writer, share } = await openGate()
  await writer.query('begin')
  await share()
  expect(await gate.close(50)).toBe(false)
  await writer.query('commit')
  expect(await gate.close(1_000)).toBe(true)
})

test('two feeds in one database have separate gates', async () => {
  expect(gateKey('a')).not.toEqual(gateKey('b'))
})

test('every change of bursts, pauses and single writes is found by its wake-up, none by the backstop', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const seen = { count: 0 }
  const feed = newFeed({ publisher: { publish: () => void seen.count++ } })
  const rescued: unknown[] = []
  feed.on('read', ({ woken, changes }) => {
    if (!woken && changes > 0 && feed.status().mode === 'asleep') rescued.push(changes)
  })
  await feed.start()
  await eventually(() => expect(feed.status().mode).toBe('asleep'))
  const modes = new Set<unknown>()
  const clients = await Promise.all(Array.from({ length: 4 }, () => database.connect()))
  let id = 0
  // On a busy machine the first bursts may be too slow to make the feed poll.
  for (let round = 0; round < 6 || (!modes.has('polling') && round < 30); round++) {
    await Promise.all(
      clients.map(async client => {
        for (let write = 0; write < 60; write++) {
          await client.query(`insert into pet (id, name) values (${++id}, 'burst')`)
          modes.add(feed.status().mode)
        }
      }),
    )
    for (let write = 0; write < 5; write++) {
      await database.query(`insert into pet (id, name) values (${++id}, 'alone')`)
      const expected = id
      await eventually(() => expect(seen.count).toBe(expected), { everyMs: 5 })
      modes.add(feed.status().mode)
    }
  }
  expect(seen.count).toBe(id)
  expect(modes).toContain('polling')
  await eventually(() => expect(feed.status().mode).toBe('asleep'))
  expect(rescued).toEqual([])
})
