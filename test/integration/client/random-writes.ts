import type pg from 'pg'
import type { Random } from '../invariants/collection-writes.ts'

const IDS = 12

/** One statement that may change one record or many. */
function statement({ below, of, chance }: Random): string {
  const id = below(IDS) + 1
  const owner = chance(0.7) ? `(select id from "user" where id = ${below(IDS) + 1})` : 'null'
  return of([
    `insert into "user" (id, name) values (${id}, 'u${below(99)}') on conflict (id) do update set name = excluded.name`,
    `insert into pet (id, name, owner) values (${id}, 'p${below(99)}', ${owner}) on conflict do nothing`,
    `update "user" set name = 'u${below(99)}' where id = ${id}`,
    `update pet set owner = ${owner} where id = ${id}`,
    `update pet set name = 'b${below(99)}' where id <= ${id}`,
    `delete from "user" where id = ${id}`,
    `delete from pet where id = ${id}`,
    `delete from pet where id > ${IDS - 2}`,
  ])
}

/** deadlock_detected, foreign_key_violation */
const EXPECTED = new Set(['40P01', '23503'])

/** Autocommitted, a transaction with savepoints, or a transaction that is rolled back. */
export async function writeOnce(client: pg.Client, random: Random) {
  const { chance, below } = random
  // Several connections lock rows in any order, and delete what others refer to: some transactions fail.
  try {
    if (chance(0.5)) return void (await client.query(statement(random)))
    await client.query('begin')
    for (let count = below(4) + 1; count > 0; count--) {
      await client.query('savepoint a')
      await client.query(statement(random))
      await client.query(chance(0.3) ? 'rollback to a' : 'release a')
    }
    await client.query(chance(0.2) ? 'rollback' : 'commit')
  } catch (error) {
    await client.query('rollback')
    if (!EXPECTED.has((error as { code?: string }).code ?? '')) throw error
  }
}
