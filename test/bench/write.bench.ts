import { test } from 'vitest'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { afterScope } from '../helpers/scope.ts'
import { formatWrites, measureWrites } from './write.ts'

test('what capture costs the writes of an app', async () => {
  const connectionString = process.env.BENCH_DATABASE_URL ?? (await scratchServer())
  console.log(formatWrites(await measureWrites({ connectionString })))
})

async function scratchServer() {
  const server = await startEmbeddedPostgres({ settings: { fsync: 'on', max_wal_size: '4GB' } })
  afterScope(() => server.stop('immediate'))
  return server.connectionString
}
