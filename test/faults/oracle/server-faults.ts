import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { eventually } from '../../helpers/eventually.ts'
import type { Random } from '../../helpers/random.ts'
import { Standby } from '../standby.ts'
import type { Cluster } from './cluster.ts'

/** The disk is full for a moment, which ends the server where its write-ahead log meets it. */
export async function fillDisk({ disk, server }: Cluster, random: Random): Promise<void> {
  const makeRoom = await eventually(async () => await disk?.fill(1))
  await sleep(random.of([300, 3_000]))
  makeRoom?.()
  await eventually(
    async () => {
      if (server.pid === undefined) await server.restart('immediate')
      await onServer(server.connectionString, 'select')
    },
    { withinMs: 60_000, everyMs: 200 },
  )
}

/** The last transactions before the crash of the primary may be lost. */
export async function failOver({ server }: Cluster, random: Random): Promise<void> {
  const standby = await eventually(() => Standby.of(server), { withinMs: 60_000, everyMs: 500 })
  await sleep(random.of([0, 1_000]))
  await standby.takeOver()
}

/** A copy takes the place of the database, as a restore into another one does. */
export async function replaceByCopy({ server, database: { name } }: Cluster): Promise<void> {
  const run = (...statements: string[]) => onServer(server.connectionString, ...statements)
  const original = `${name}_original`
  const attempt = async () => {
    await run(
      `alter database ${name} allow_connections false`,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    )
    try {
      await run(`create database ${original}_copy template ${name}`)
    } catch (error) {
      await run(`alter database ${name} allow_connections true`) // for a prepared transaction, which only its session ends
      throw error
    }
    await run(
      `alter database ${name} rename to ${original}`,
      `alter database ${original}_copy rename to ${name}`,
      `drop database ${original} with (force)`,
    )
  }
  await eventually(attempt, { withinMs: 60_000, everyMs: 300 })
}

async function onServer(connectionString: string, ...statements: string[]) {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
