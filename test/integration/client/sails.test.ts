import { expect, test } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import type { SailsClient } from '../../helpers/sails-client.ts'
import { liftApp, type TestApp } from '../sails/fixture.ts'
import { openPage, SOCKETS } from './clients.ts'
import { startSwitch } from './switch.ts'

const PATHS = ['/owner?limit=100', '/pet?limit=100'] as const

/** Each mode of the hook, with each kind of client. */
const cases = (['keep', 'replace'] as const).flatMap(blueprints =>
  ['sails.io.js 1.2.1', 'socket.io-client 4'].map(kind => ({ blueprints, kind })),
)

type Case = (typeof cases)[number]

interface Row {
  readonly id: number
  readonly pets?: readonly Row[]
}

/** A page whose connection can be cut, and a client of the same app that stays connected and makes requests. */
async function openBoth({ blueprints, kind }: Case) {
  const app = await liftApp({ changefeed: { blueprints } })
  await app.database.query(`
    alter table pet alter "createdAt" set default 1, alter "updatedAt" set default 1;
    alter table owner alter "createdAt" set default 1, alter "updatedAt" set default 1`)
  const actor = await app.connect()
  await actor.post('/owner', { name: 'ann' })
  await actor.post('/owner', { name: 'bob' })
  await app.database.query(`insert into pet (name, owner) values ('rex', 1), ('tom', 2), ('stray', null)`)
  await app.settled(actor)
  const balancer = await startSwitch()
  balancer.leadTo(app.port)
  const socket = (SOCKETS[kind] as (port: number) => Parameters<typeof openPage>[0])(balancer.port)
  const page = openPage(socket, { events: ['owner', 'pet'] })
  const lists = PATHS.map(path => page.changes.live<Row>(path))
  await page.caughtUpTimes(1)
  const goOffline = async () => {
    balancer.leadTo(0)
    balancer.cut()
    await eventually(() => expect(page.changes.state).toBe('disconnected'))
    page.handled.length = 0
    page.caughtUp.length = 0
  }
  const expectLists = async (of: SailsClient = actor) => {
    await eventually(async () => {
      for (const [index, path] of PATHS.entries()) {
        expect(inOrder(lists[index] ?? [])).toEqual(inOrder((await of.get(path)).body))
      }
    })
  }
  const summary = () => page.handled.map(line => line.replace(/ \{.*/, ''))
  await expectLists()
  return { app, actor, page, lists, balancer, goOffline, expectLists, summary }
}

/** Blueprints answer in any order, also the members of a record. */
function inOrder(rows: readonly Row[]): Row[] {
  const withMembers = rows.map(row => ({ ...row, ...(row.pets && { pets: inOrder(row.pets) }) }))
  return withMembers.sort((a, b) => a.id - b.id)
}

/** Of blueprints and of SQL, in turn. */
async function writeAll({ database, settled }: TestApp, actor: SailsClient) {
  await actor.post('/pet', { name: 'new', owner: 1 })
  await settled()
  await database.query(`insert into pet (name, owner) values ('newer', 2)`)
  await settled()
  await actor.patch('/pet/1', { name: 'max' })
  await settled()
  await database.query(`update pet set name = 'kim', owner = 1 where name = 'tom'`)
  await settled()
  await actor.patch('/owner/1', { name: 'eve' })
  await settled()
  await actor.delete('/pet/3')
  await settled()
  await database.query(`delete from pet where name = 'new'`)
  await settled()
}

/** Without those to a record that was destroyed. */
const WRITTEN = [
  'owner addedTo 1',
  'pet created 4',
  'owner addedTo 2',
  'pet created 5',
  'pet updated 1',
  'owner removedFrom 2',
  'owner addedTo 1',
  'pet updated 2',
  'owner updated 1',
  'pet destroyed 3',
  'pet destroyed 4',
  'owner removedFrom 1',
]

test.each(cases)('what SQL and blueprints write while a page is offline: $blueprints, $kind', async given => {
  const { app, actor, page, balancer, goOffline, expectLists, summary } = await openBoth(given)
  await goOffline()
  await writeAll(app, actor)
  balancer.leadTo(app.port)
  await page.caughtUpTimes(1)
  expect(summary()).toEqual(WRITTEN)
  await expectLists()
  page.handled.length = 0
  await app.database.query(`update pet set name = 'later' where id = 1`)
  await eventually(() => expect(page.handled).toHaveLength(1))
  await expectLists()
  expect([page.gap, page.error]).toEqual([[], []])
})
