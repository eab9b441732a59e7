import { expect, test } from 'vitest'
import { changefeed } from '../../../src/client/client.ts'
import { eventually } from '../../helpers/eventually.ts'
import { openSailsSocket } from '../../helpers/sails-client.ts'
import { hasten } from './clients.ts'
import { appDatabase, startNode } from './nodes.ts'
import { startSwitch } from './switch.ts'

/** The ids of the users that a page shows, as the handlers of a Sails tutorial keep them. */
async function openUsers(port: number) {
  const socket = openSailsSocket({ port })
  hasten(socket)
  const changes = changefeed(socket)
  const shown = new Set<unknown>()
  const gaps: string[] = []
  changes.get<{ id: number }[]>('/user?limit=100', users => {
    shown.clear()
    for (const { id } of users) shown.add(id)
  })
  socket.on('user', message => {
    const { verb, id } = message as { verb: string; id: number }
    if (verb === 'created') shown.add(id)
    if (verb === 'destroyed') shown.delete(id)
  })
  changes.on('gap', ({ reason }) => void gaps.push(reason))
  await isLive(changes)
  return { changes, shown, gaps }
}

const isLive = (changes: { readonly state: string }) =>
  eventually(() => expect(changes.state).toBe('live'), { withinMs: 20_000 })

test.each([300, 2_500])(
  'records that are destroyed while connections break, and a feed that is %i ms late: each is reported',
  { timeout: 60_000 },
  async delay => {
    const database = await appDatabase()
    const node = await startNode(database)
    node.delay(delay)
    const balancer = await startSwitch()
    balancer.leadTo(node.port)
    const clients = [await openUsers(balancer.port), await openUsers(balancer.port)]
    const writer = await database.connect()
    for (let round = 0; round < 2; round++) {
      await database.query(`insert into "user" (id, name) select id, 'u' from generate_series(1, 40) id`)
      await node.settled()
      for (const { shown } of clients) await eventually(() => expect(shown.size).toBe(40))
      for (let id = 1; id <= 40; id++) {
        await writer.query('delete from "user" where id = $1', [id])
        if (id % 8 === 0) balancer.cut()
      }
      await Promise.all(clients.map(({ changes }) => isLive(changes)))
      for (const { shown, gaps } of clients) {
        await eventually(() => expect([...shown]).toEqual([]))
        expect(gaps).toEqual([])
      }
    }
  },
)
