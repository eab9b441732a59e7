import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { type Changes, changefeed } from '../../../src/client/client.ts'
import type { MessageMeta } from '../../../src/publish/mapping/record-event.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { type Random, randomOf } from '../invariants/collection-writes.ts'
import { hasten, SOCKETS } from './clients.ts'
import { appDatabase, MODELS, type Node, startNode } from './nodes.ts'
import { writeOnce } from './random-writes.ts'
import { startSwitch } from './switch.ts'

/** `CHANGEFEED_CLIENT_SEEDS=200` runs more seeds than the suite, `CHANGEFEED_CLIENT_SEEDS=7,` only that one. */
const given = process.env.CHANGEFEED_CLIENT_SEEDS ?? '20'
const seeds = given.includes(',')
  ? given.split(',').filter(Boolean).map(Number)
  : Array.from({ length: Number(given) }, (_, index) => index + 1)

const IDENTITIES = ['user', 'pet'] as const
type Row = Record<string, unknown>

let database: TestDatabase
let nodes: Node[]
/** The changes of records, as a feed reads them that is never interrupted. */
const witnessed: string[] = []
let settled: () => Promise<void>

beforeAll(async () => {
  database = await appDatabase()
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models: MODELS })
  const witness = createChangefeed({ connectionString, collections })
  witness.on('change', ({ identity, operation, record, previous, meta }) => {
    const verb = { insert: 'created', update: 'updated', delete: 'destroyed' }[operation as string]
    witnessed.push(`${meta.cursor} ${identity} ${verb} ${(record ?? previous)?.id}`)
  })
  await witness.start()
  afterScope(() => witness.stop())
  settled = () => witness.settled()
  nodes = [await startNode(database), await startNode(database)]
})

/** A page as in a Sails tutorial, and the lists that the client keeps. */
function openClient(kind: string, port: number) {
  const socket = (SOCKETS[kind] as (port: number) => Parameters<typeof hasten>[0])(port)
  hasten(socket)
  const changes: Changes = changefeed(socket)
  afterScope(() => changes.close())
  const copies = new Map(IDENTITIES.map(identity => [identity, new Map<unknown, Row>()]))
  const [handled, gaps, errors]: [string[], object[], object[]] = [[], [], []]
  for (const [identity, copy] of copies) {
    changes.get<Row[]>(`/${identity}?limit=100`, rows => {
      copy.clear()
      for (const row of rows) copy.set(row.id, row)
    })
    socket.on(identity, (message, meta) => {
      const { verb, id, data, attribute, addedId, removedId } = message as Row
      const member = attribute ? ` ${attribute} ${addedId ?? removedId}` : ''
      handled.push(`${(meta as MessageMeta).cursor} ${identity} ${verb} ${id}${member}`)
      if (verb === 'created') copy.set(id, data as Row)
      if (verb === 'updated') copy.set(id, { ...copy.get(id), ...(data as Row) })
      if (verb === 'destroyed') copy.delete(id)
    })
  }
  const lists = IDENTITIES.map(identity => changes.live(`/${identity}?limit=100`))
  changes.on('gap', ({ reason, identities }) => void gaps.push({ reason, identities }))
  changes.on('error', error => void errors.push(error))
  return {
    changes,
    handled,
    gaps,
    errors,
    contents: () => comparable([...copies.values()].map(copy => [...copy.values()])),
    lists: () => comparable(lists),
  }
}

/** Without populated members. A reference to a missing record counts as null, as in answers. */
function comparable([users = [], pets = []]: readonly Row[][]) {
  const ids = new Set(users.map(({ id }) => id))
  const known = (owner: unknown) => {
    const id = (owner as { id?: unknown } | null)?.id ?? owner
    return ids.has(id) ? id : null
  }
  const lines = [
    ...users.map(({ id, name }) => `user ${id} ${name}`),
    ...pets.map(({ id, name, owner }) => `pet ${id} ${name} of ${known(owner)}`),
  ]
  return lines.sort()
}

const tables = async () =>
  comparable([await database.query('select * from "user"'), await database.query('select * from pet')])

/** Of a record that was destroyed while the client was away, it need only receive `destroyed`. */
function missedBy(handled: readonly string[], published: readonly string[]): string[] {
  const received = new Set(handled)
  const subjectOf = (key: string) => key.replace(/^\S+ (\S+) \S+ /, '$1 ')
  const isGone = (key: string, index: number) =>
    published.slice(index + 1).some(later => subjectOf(later) === subjectOf(key) && later.includes(' destroyed '))
  return published.filter((key, index) => !received.has(key) && !isGone(key, index))
}

/** One fault: the connections break, the clients are led to another node, or a node starts anew. */
async function disturb(random: Random, balancer: Awaited<ReturnType<typeof startSwitch>>) {
  const { below, chance } = random
  const index = below(nodes.length)
  const isRestarted = chance(0.2)
  if (isRestarted) await nodes[index]?.restart()
  if (chance(0.7) || isRestarted) balancer.leadTo((nodes[below(nodes.length)] as Node).port)
  balancer.cut()
}

test.each(seeds)('the copies of clients equal the tables, seed %i', { timeout: 60_000 }, async seed => {
  const random = randomOf(seed)
  const balancer = await startSwitch()
  balancer.leadTo((random.of(nodes) as Node).port)
  const clients = Object.keys(SOCKETS).map(kind => openClient(kind, balancer.port))
  await eventually(() => expect(clients.map(({ changes }) => changes.state)).toEqual(clients.map(() => 'live')), {
    withinMs: 15_000,
  })
  await settled()
  const first = witnessed.length
  const writers = await Promise.all([1, 2, 3].map(() => database.connect()))
  const faults = (async () => {
    for (let count = random.below(3) + 1; count > 0; count--) {
      await sleep(random.below(150))
      await disturb(random, balancer)
    }
  })()
  await Promise.all(
    writers.map(async (writer, index) => {
      const own = randomOf(seed * 1_000 + index)
      for (let count = 15; count > 0; count--) await writeOnce(writer, own)
    }),
  )
  await faults
  await settled()
  const expected = await tables()
  for (const client of clients) {
    const said = () => JSON.stringify([client.changes.state, client.gaps, client.errors])
    await eventually(() => expect(client.contents(), said()).toEqual(expected), { withinMs: 20_000 })
    await eventually(() => expect(client.lists(), said()).toEqual(expected))
    await eventually(() => {
      const missed = client.gaps.length === 0 ? missedBy(client.handled, witnessed.slice(first)) : []
      expect(missed, said()).toEqual([])
    })
    expect(client.handled.filter((key, index) => client.handled.indexOf(key) !== index)).toEqual([])
    client.changes.close()
  }
  await Promise.all(writers.map(writer => writer.end()))
})
