import { type RawBuilder, sql } from 'kysely'
import { groupBy } from '../composite-key.ts'
import type { Database } from '../db/connect.ts'
import { sqlstateOf } from '../db/sqlstate.ts'
import type { RecordId } from '../models/model.ts'
import type { RelatedRows, RelatedRowsNeed } from '../publish/mapping/related-rows.ts'
import { readAppTables } from './app-tables.ts'
import { column, table } from './model-sql.ts'

/** Maximum number of rows that a query returns. Larger results are split into smaller queries. */
const ROWS = 10_000

/** Needs that differ only in `value`. */
export type RelatedRowsGroup = readonly [RelatedRowsNeed, ...RelatedRowsNeed[]]

export function groupNeeds(needs: readonly RelatedRowsNeed[]): RelatedRowsGroup[] {
  return groupBy(needs, need => [need.model.identity, need.attribute, need.member, need.parent.identity, need.limit])
}

/**
 * Reads the rows that refer to destroyed records, with one query for a group: the table may have no index on the
 * attribute, and a query per record would scan it each time. If one query cannot answer for all, each half of the group
 * is queried separately. Throws `UnsafeTable`, and errors of Postgres.
 */
export async function readRelatedRows(db: Database, group: RelatedRowsGroup): Promise<RelatedRows[]> {
  if (group.length === 1) return [await unlessInvalidKey(readOne(db, group[0]), answerOf(group[0], []))]
  const answers = await unlessInvalidKey(readTogether(db, group), undefined)
  if (answers) return answers
  const middle = group.length >> 1
  const halves = [group.slice(0, middle), group.slice(middle)] as unknown as readonly [
    RelatedRowsGroup,
    RelatedRowsGroup,
  ]
  return [...(await readRelatedRows(db, halves[0])), ...(await readRelatedRows(db, halves[1]))]
}

interface Link {
  readonly value: RecordId
  readonly member: RecordId
}

/** Undefined if there are too many rows, or if Postgres considers different texts equal. */
async function readTogether(db: Database, group: RelatedRowsGroup): Promise<RelatedRows[] | undefined> {
  const values = new Set(group.map(({ value }) => String(value)))
  const { links, present } = await readLinks(db, group)
  const isKnown = (value: RecordId) => values.has(String(value))
  if (links.length > ROWS || !links.every(({ value }) => isKnown(value)) || !present.every(isKnown)) return undefined
  const members = new Map(group.map(({ value }) => [String(value), new Map<string, RecordId>()]))
  for (const { value, member } of links) members.get(String(value))?.set(String(member), member)
  const again = new Set(present.map(String))
  return group.map(need => {
    const found = again.has(String(need.value)) ? undefined : members.get(String(need.value))
    return answerOf(need, [...(found?.values() ?? [])])
  })
}

async function readLinks(db: Database, group: RelatedRowsGroup): Promise<{ links: Link[]; present: RecordId[] }> {
  const { model, member, attribute, parent } = group[0]
  const [near, far] = [column(model, attribute), column(model, member)]
  const parentKey = column(parent, parent.primaryKey)
  const values = group.map(({ value }) => value)
  return await readAppTables(db, tablesOf(group[0]), async trx => {
    const { rows: links } = await sql<Link>`
      select ${near} as value, ${far} as member from ${table(model)}
      where ${near} = any(${values}) and ${far} is not null limit ${ROWS + 1}`.execute(trx)
    const { rows: present } = await sql<{ value: RecordId }>`
      select ${parentKey} as value from ${table(parent)} where ${parentKey} = any(${values})`.execute(trx)
    return { links, present: present.map(({ value }) => value) }
  })
}

async function readOne(db: Database, need: RelatedRowsNeed): Promise<RelatedRows> {
  const { model, member, attribute, parent, value, limit } = need
  const far = column(model, member)
  const query: RawBuilder<{ member: RecordId }> = sql`
    select distinct ${far} as member from ${table(model)}
    where ${column(model, attribute)} = ${value} and ${far} is not null
      and not exists (select from ${table(parent)} where ${column(parent, parent.primaryKey)} = ${value})
    limit ${limit + 1}`
  const { rows } = await readAppTables(db, tablesOf(need), trx => query.execute(trx))
  return answerOf(
    need,
    rows.map(row => row.member),
  )
}

const tablesOf = ({ model, member, attribute, parent }: RelatedRowsNeed) => [
  { model, attributes: [member, attribute] },
  { model: parent, attributes: [parent.primaryKey] },
]

const answerOf = (need: RelatedRowsNeed, members: readonly RecordId[]): RelatedRows => ({
  need,
  members: members.slice(0, need.limit),
  complete: members.length <= need.limit,
})

/** A referring column may be unable to hold the key (SQLSTATE class 22). Then no row refers to it. */
async function unlessInvalidKey<T>(answer: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (sqlstateOf(error)?.startsWith('22')) return otherwise
    throw error
  }
}
