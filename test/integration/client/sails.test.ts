import { setTimeout as sleep } from 'node:timers/promises'
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
  /** By the socket of the page. */
  const write = (method: string, url: string, data: object = {}) =>
    new Promise(resolve => {
      const { _raw = socket } = socket as unknown as { readonly _raw?: Requester }
      ;(_raw as Requester).emit(method, { method, url, data, headers: {} }, resolve)
    })
  const summary = () => page.handled.map(line => line.replace(/ \{.*/, ''))
  await expectLists()
  return { app, actor, page, lists, balancer, goOffline, expectLists, summary, write }
}

interface Requester {
  emit(method: string, request: object, answered: (answer: unknown) => void): unknown
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

test.each(cases)(
  'records whose list is read after they were destroyed, by a feed that is late: $blueprints, $kind',
  {
    timeout: 60_000,
  },
  async given => {
    const { app, actor, page, balancer, goOffline, expectLists, summary } = await openBoth(given)
    app.app.hooks.changefeed.onChange(async ({ meta }: { meta: { at: number } }) => {
      await sleep(Math.max(0, meta.at + 2_500 - Date.now())) // the artificial lag
    })
    await goOffline()
    await app.database.query('delete from pet where id = 3')
    await actor.delete('/pet/2')
    balancer.leadTo(app.port)
    await page.caughtUpTimes(1)
    expect(summary().filter(line => line.startsWith('pet'))).toEqual(['pet destroyed 3', 'pet destroyed 2'])
    await expectLists()
    expect([page.gap, page.error]).toEqual([[], []])
  },
)

test.each(cases)('what a page writes is in its lists, and not in its messages: $blueprints, $kind', async given => {
  const { app, actor, page, expectLists, write } = await openBoth(given)
  page.handled.length = 0
  await write('post', '/pet', { name: 'own', owner: 1 })
  await expectLists()
  await write('patch', '/owner/1', { name: 'eve' })
  await expectLists()
  await write('delete', '/pet/1')
  await expectLists()
  await actor.patch('/owner/2', { name: 'kim' })
  await app.settled()
  await eventually(() => expect(page.handled).toHaveLength(1))
  expect(page.handled[0]).toMatch(/^owner updated 2/)
  await expectLists()
})

test.each(cases)('a server that is restarted: $blueprints, $kind', { timeout: 60_000 }, async given => {
  const { app, page, balancer, expectLists, summary } = await openBoth(given)
  await app.lower()
  await eventually(() => expect(page.changes.state).toBe('disconnected'))
  page.handled.length = 0
  page.caughtUp.length = 0
  await app.database.query(`update pet set name = 'max' where id = 1`)
  await app.database.query(`insert into pet (name) values ('while no server ran')`)
  const next = await liftApp(
    { changefeed: { blueprints: given.blueprints }, config: { models: { migrate: 'safe' } } },
    app.database,
  )
  const other = await next.connect()
  await other.post('/pet', { name: 'before the page returned', owner: 2 })
  balancer.leadTo(next.port)
  await page.caughtUpTimes(1)
  expect(summary()).toEqual(['pet updated 1', 'pet created 4', 'owner addedTo 2', 'pet created 5'])
  await other.patch('/pet/5', { name: 'later' })
  await eventually(() => expect(summary().at(-1)).toBe('pet updated 5'))
  await expectLists(other)
  expect([page.gap, page.error]).toEqual([[], []])
})
