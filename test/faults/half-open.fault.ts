import { expect, test } from 'vitest'
import type { Logger } from '../../src/logger.ts'
import { eventually } from '../helpers/eventually.ts'
import { startProxy } from '../helpers/proxy.ts'
import { openMigratedShop, summary } from '../integration/feed/fixture.ts'

/** More than a node sends from a lost connection on until it publishes. */
const MESSAGES = 48
const NODES_AT_ONCE = 8
const BACK_MS = 30_000

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A node whose connections end, and whose next ones go dead at the given message. Resolves with the time until it publishes. */
async function backAfter(messages: number, role: 'leader' | 'follower'): Promise<number> {
  const shop = await openMigratedShop()
  const { database } = shop
  const proxy = await startProxy(database.connectionString)
  const options = {
    connectionString: proxy.through(database.connectionString),
    logger: quiet,
    publish: 'local',
  } as const
  const other = shop.feed({ ...options, connectionString: database.connectionString, publisher: { publish() {} } })
  const node = shop.feed(options)
  await node.install()
  if (role === 'follower') await other.start()
  await node.start()
  expect(node.status().role).toBe(role)
  proxy.freezeAfter(messages)
  proxy.cut()
  await eventually(() => expect(node.status().state).toBe('reconnecting'))
  const since = Date.now()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await eventually(() => expect(summary(shop.published)).toContain('created pet 1'), { withinMs: BACK_MS })
  const tookMs = Date.now() - since
  await node.stop()
  await other.stop()
  proxy.cut()
  return tookMs
}

test.each(['leader', 'follower'] as const)(
  'a %s whose new connections go dead at any message comes back',
  { timeout: 600_000 },
  async role => {
    const messages = Array.from({ length: MESSAGES }, (_, n) => n + 1)
    const took: number[] = []
    while (messages.length > 0) {
      took.push(...(await Promise.all(messages.splice(0, NODES_AT_ONCE).map(n => backAfter(n, role)))))
    }
    console.log(`a ${role} is back after ${Math.min(...took)} to ${Math.max(...took)} ms`)
  },
)
