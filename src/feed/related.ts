import { sql } from 'kysely'
import type { Database } from '../db/connect.ts'
import type { RecordId } from '../ontology/model.ts'
import type { RelatedRows, RelatedRowsNeed } from '../publish/related-rows.ts'
import { column, table } from './model-sql.ts'

/** Looks up who still points at a destroyed record. */
export async function readRelatedRows({ kysely }: Database, need: RelatedRowsNeed): Promise<RelatedRows> {
  const member = column(need.model, need.member)
  const { rows } = await sql<{ member: RecordId }>`
    select distinct ${member} as member from ${table(need.model)}
    where ${column(need.model, need.attribute)} = ${need.value} and ${member} is not null
      and not exists (select from ${table(need.parent)} where ${column(need.parent, need.parent.primaryKey)} = ${need.value})
    limit ${need.limit + 1}`.execute(kysely)
  const members = rows.map(row => row.member)
  return { need, members: members.slice(0, need.limit), complete: members.length <= need.limit }
}
