import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { afterScope } from '../../helpers/scope.ts'

test('a connection of the pool whose query has no response is not used again', async () => {
  const { connectionString } = await testDatabase()
  const proxy = await startProxy(connectionString)
  const settings = { connectionString: proxy.through(connectionString), applicationName: 'test', queryTimeoutMs: 500 }
  const { kysely, pool, close } = openDatabase(settings, 'changefeed')
  afterScope(close)
  const backend = async () => {
    const client = await pool.connect()
    try {
      return (await client.query('select pg_backend_pid() as pid')).rows[0].pid
    } finally {
      client.release() // as Kysely does, also after an error
    }
  }
  const first = await backend()
  expect(await backend()).toBe(first)
  proxy.freeze()
  proxy.heal()
  await expect(backend()).rejects.toThrow('did not respond within 500 ms')
  expect(await backend()).not.toBe(first)
  await kysely.destroy()
})
