import { expect, test } from 'vitest'
import { storedPosition, storePosition } from '../../../src/change-log/position.ts'
import { ChangeLogReader } from '../../../src/change-log/reader.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { listenerGrants } from '../../../src/db/foreign-rights.ts'
import { Election } from '../../../src/leader/election.ts'
import { readLease } from '../../../src/leader/lease.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openMigratedShop } from '../feed/fixture.ts'

const START = { id: 0n, snapshot: '2:2:' }

/** Nodes that connect as different roles, so that none may see or terminate another's sessions. */
async function openNodes(count: number) {
  const { database, feed } = await openMigratedShop()
  await feed().install()
  const nodes = []
  for (let index = 0; index < count; index++) {
    const { name, connectionString } = await database.role()
    for (const grant of listenerGrants('changefeed', name)) await database.query(grant)
    const client = await database.connect({ connectionString })
    const db = openDatabase({ connectionString, applicationName: `node ${index}` }, 'changefeed')
    afterScope(() => db.close())
    nodes.push({ client, db, election: await Election.of(client, db, `node ${index}`) })
  }
  const expire = () => database.query(`update changefeed.lease set renewed_at = now() - interval '11 seconds'`)
  return { database, nodes: nodes as [(typeof nodes)[0], (typeof nodes)[0]], expire }
}

test('one of many nodes that campaign at once becomes the leader', async () => {
  const { nodes } = await openNodes(6)
  const won = await Promise.all(nodes.map(({ election }) => election.campaign()))
  expect(won.filter(Boolean)).toHaveLength(1)
  const again = await Promise.all(nodes.map(({ election }) => election.campaign()))
  expect(again).toEqual(won) // the leader may campaign again, and no other node wins
})

test('a leader that loses its backend or resigns is replaced at once', async () => {
  const { nodes } = await openNodes(2)
  const [first, second] = nodes
  expect(await first.election.campaign()).toBe(true)
  expect(await second.election.campaign()).toBe(false)
  await first.client.end()
  await expect.poll(() => second.election.campaign()).toBe(true)
  await second.election.resign()
  expect(await readLease(second.db)).toMatchObject({ node: 'node 1', fresh: false })
  const third = await Election.of(second.client, second.db, 'node 2')
  expect(await third.campaign()).toBe(true)
})

test('a leader that stops renewing is replaced, and its later statements have no effect', async () => {
  const { database, nodes, expire } = await openNodes(2)
  const [first, second] = nodes
  await first.election.campaign()
  const stale = first.election.term ?? ''
  await expire()
  expect(await second.election.campaign()).toBe(true)
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await expect(first.election.renew()).rejects.toThrow(/Leadership lost/)
  const before = await storedPosition(first.db, 1)
  await storePosition(first.db, { epoch: 1, tick: { id: 7n, snapshot: '9:9:' } }, stale)
  expect(await storedPosition(first.db, 1)).toEqual(before)
  const reader = new ChangeLogReader(first.client, 'changefeed')
  expect(await reader.createTick(1, START, stale)).toBeNull()
  expect(await reader.createIdleTick({ id: 0n, snapshot: '9999999999:9999999999:' }, stale)).toBeNull()
  await expect(reader.createEmptyTick(START, stale)).rejects.toThrow(/Leadership lost/)
  const term = second.election.term ?? ''
  expect((await new ChangeLogReader(second.client, 'changefeed').createTick(1, START, term))?.page).toHaveLength(1)
})

test('a new leader waits for the running statement of its predecessor', async () => {
  const { database, nodes, expire } = await openNodes(2)
  const [first, second] = nodes
  await first.election.campaign()
  await expire()
  const busy = await database.connect()
  await busy.query('begin; select from changefeed.lease for share') // as creating a tick does
  const campaign = second.election.campaign()
  const waiting = `select from pg_stat_activity where application_name = 'node 1' and wait_event_type = 'Lock'`
  await expect.poll(async () => (await database.query(waiting)).length).toBe(1)
  await busy.query('commit')
  expect(await campaign).toBe(true)
})
