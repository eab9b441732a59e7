import { expect, test } from 'vitest'
import type { SailsClient } from '../../helpers/sails-client.ts'
import { type AppOptions, liftApp, summary } from './fixture.ts'

const PATHS = ['/owner', '/pet']

/** Subscribes again, and asks for what it missed. */
async function returns(client: SailsClient, cursor: string) {
  client.messages.clear()
  await client.reconnect()
  for (const path of PATHS) await client.get(path)
  const answer = await client.get('/changefeed/since', { cursor })
  await client.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  const messages = client.messages.all.filter(({ event }) => event !== 'changefeed')
  return { answer, messages }
}

test.each(['keep', 'replace'] as const)(
  'a client that returns receives what it missed, with `%s`',
  async blueprints => {
    const { app, database, connect, settled } = await liftApp({ changefeed: { install: true, blueprints } })
    const [stays, leaves] = [await connect(), await connect()]
    const { Owner } = { Owner: app.models.owner }
    await Owner.create({ name: 'ann' })
    await settled()
    for (const client of [stays, leaves]) for (const path of PATHS) await client.get(path)
    const { headers } = await leaves.get('/owner')
    const cursor = headers['changefeed-cursor'] ?? ''
    expect(cursor).toMatch(/^\w+\.\w+\.\w+/)
    stays.messages.clear()
    await leaves.disconnect()
    await stays.post('/pet', { name: 'tom', owner: 1 })
    await database.query(`insert into pet (name, owner) values ('rex', 1)`)
    await stays.patch('/owner/1', { name: 'eve' })
    await database.query(`update owner set name = 'kim'; delete from pet where name = 'rex'`)
    await settled(stays)
    const { answer, messages } = await returns(leaves, cursor)
    expect(answer).toMatchObject({ statusCode: 200, body: { replayed: messages.length } })
    expect(messages.every(({ meta }) => meta.replayed === true)).toBe(true)
    expect(messages.map(({ event, data }) => `${event} ${data.verb} ${data.id}`)).toEqual([
      'owner addedTo 1',
      'pet created 1',
      'owner addedTo 1',
      'pet created 2',
      'owner updated 1',
      'owner updated 1',
      'pet destroyed 2',
      'owner removedFrom 1',
    ])
    leaves.messages.clear()
    await database.query(`update owner set name = 'ann'`)
    await settled(leaves)
    expect(summary(leaves)).toEqual(['owner updated 1'])
  },
)

test.each([
  ['over HTTP', 400, { changefeed: { install: true } }],
  ['where the feed is off', 404, { changefeed: false }],
] satisfies [string, number, AppOptions][])('%s the request is refused with %i', async (name, status, options) => {
  const { port, connect } = await liftApp(options)
  const statusCode =
    name === 'over HTTP'
      ? (await fetch(`http://127.0.0.1:${port}/changefeed/since`)).status
      : (await (await connect()).get('/changefeed/since')).statusCode
  expect(statusCode).toBe(status)
})
