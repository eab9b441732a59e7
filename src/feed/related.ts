import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import type { RecordId } from '../ontology/model.ts'
import type { RelatedRows, RelatedRowsNeed } from '../publish/related-rows.ts'
import { readAppTables } from './app-tables.ts'
import { column, table } from './model-sql.ts'

/** Looks up who still points at a destroyed record. */
export async function readRelatedRows(db: Database, need: RelatedRowsNeed): Promise<RelatedRows> {
  const { model, member, attribute, parent, value, limit } = need
  const [memberColumn, parentKey] = [column(model, member), column(parent, parent.primaryKey)]
  const query = sql<{ member: RecordId }>`
    select distinct ${memberColumn} as member from ${table(model)}
    where ${column(model, attribute)} = ${value} and ${memberColumn} is not null
      and not exists (select from ${table(parent)} where ${parentKey} = ${value})
    limit ${limit + 1}`
  const uses = [
    { model, attributes: [member, attribute] },
    { model: parent, attributes: [parent.primaryKey] },
  ]
  const { rows } = await readAppTables(db, uses, trx => query.execute(trx))
  const members = rows.map(row => row.member)
  return { need, members: members.slice(0, limit), complete: members.length <= limit }
}
