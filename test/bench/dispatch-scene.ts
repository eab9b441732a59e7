import pg from 'pg'
import { createChangefeed } from '../../src/changefeed.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import type { TestProgram } from '../helpers/program.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { petShop } from '../integration/feed/fixture.ts'

/** What a server of `dispatch-programs.ts` has cost since it was last asked. */
export interface ServerStats {
  readonly delayMs: number
  readonly cpuMs: number
  readonly memoryMb: number
}

export interface PetShop {
  readonly writer: pg.Client
  readonly connectionString: string
}

/** A database with a captured pet shop, and pet 1 in it. */
export async function openPetShop(): Promise<PetShop> {
  const server = await startEmbeddedPostgres()
  afterScope(() => server.stop('immediate'))
  const { connectionString } = server
  const { collections } = await startWaterline({ connectionString, models: petShop, migrate: 'drop' })
  await createChangefeed({ connectionString, collections }).install()
  const writer = new pg.Client(connectionString)
  await writer.connect()
  afterScope(() => writer.end())
  await writer.query(`insert into pet (name) values ('rex')`)
  return { writer, connectionString }
}

/** Commits now and then: within one transaction each update of a record takes longer than the one before. */
export const updatesOfOnePet = (changes: number) => `
  do $$ begin
    for n in 1..${changes} loop
      update pet set name = 'name ' || n where id = 1;
      if n % 1000 = 0 then commit; end if;
    end loop;
  end $$`

export const portOf = async (program: TestProgram) => (await program.line(/^port /)).slice(5)

export const askServer = async (port: string, path: string): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${port}${path}`)).json()
