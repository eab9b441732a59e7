import { type Model, type Models, pluralAssociations } from '../../src/models/model.ts'
import type { RecordEvent } from '../../src/publish/mapping/record-event.ts'

/** A client's copy of a record: its attributes, and the ids of its members by collection. */
export interface Held {
  readonly values: Record<string, unknown>
  readonly members: Record<string, Set<number>>
}

/** Records by model and id. */
export type Contents = Map<string, Map<number, Held>>

interface Queries {
  query<Row extends Record<string, unknown>>(sql: string): Promise<Row[]>
}

/** The rows of a model, junctions included. */
export type RowsOf = (identity: string) => readonly Record<string, unknown>[]

export async function readContents(database: Queries, models: Models): Promise<Contents> {
  return contentsOf(models, await readRows(database, models))
}

/** Reads everything in one statement, and so in one snapshot. Columns have the names of their attributes. */
export async function readRows(database: Queries, models: Models): Promise<RowsOf> {
  const parts = [...models.values()].map(model => `'${model.identity}', (select json_agg(r) from "${model.table}" r)`)
  const [row] = await database.query<{ all: Record<string, Record<string, unknown>[] | null> }>(
    `select json_build_object(${parts.join(', ')}) as all`,
  )
  return identity => row?.all[identity] ?? []
}

export function contentsOf(models: Models, rowsOf: RowsOf): Contents {
  const shown = [...models.values()].filter(({ junction }) => !junction)
  return new Map(
    shown.map(model => {
      const held = rowsOf(model.identity).map(
        row => [Number(row.id), { values: valuesOf(model, row), members: membersOf(model, row, rowsOf) }] as const,
      )
      return [model.identity, new Map(held)]
    }),
  )
}

const valuesOf = ({ attributes }: Model, row: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(row).filter(([name]) => attributes.has(name)))

function membersOf(model: Model, { id }: Record<string, unknown>, rowsOf: RowsOf): Held['members'] {
  const members: Held['members'] = {}
  for (const { alias, linkModel, parentAttribute, childAttribute = '' } of pluralAssociations(model)) {
    const own = rowsOf(linkModel).filter(row => row[parentAttribute] === id)
    members[alias] = new Set(own.map(row => Number(row[childAttribute])))
  }
  return members
}

/** Applies an event as a client in a Sails tutorial does. */
export function applyEvent(contents: Contents, event: Exclude<RecordEvent, { verb: 'refetch' }>): void {
  const records = contents.get(event.identity)
  const held = records?.get(Number(event.id))
  switch (event.verb) {
    case 'created':
      for (const reverse of event.reverse) if (reverse.verb !== 'refetch') applyEvent(contents, reverse)
      records?.set(Number(event.id), { values: { ...event.record }, members: {} })
      break
    case 'updated':
      Object.assign(held?.values ?? {}, event.changes)
      break
    case 'destroyed':
      records?.delete(Number(event.id))
      break
    case 'addedTo':
      if (held) held.members[event.alias] = new Set(held.members[event.alias]).add(Number(event.childId))
      break
    case 'removedFrom':
      held?.members[event.alias]?.delete(Number(event.childId))
  }
}

/** A line for each record. References to missing records are shown as null, since Sails sends them so. */
export function comparable(contents: Contents, models: Models): string[] {
  const exists = (identity: string, id: unknown) => contents.get(identity)?.has(Number(id)) === true
  const lines = [...contents].flatMap(([identity, records]) => {
    const associations = models.get(identity)?.associations ?? []
    return [...records].map(([id, { values, members }]) => {
      const shown: Record<string, unknown> = { ...values }
      for (const association of associations) {
        const { alias } = association
        if (association.type === 'model') shown[alias] = exists(association.model, values[alias]) ? values[alias] : null
        else shown[alias] = [...(members[alias] ?? [])].filter(each => exists(association.collection, each)).sort()
      }
      const sorted = Object.entries(shown).sort(([a], [b]) => (a < b ? -1 : 1))
      return `${identity} ${id} ${JSON.stringify(Object.fromEntries(sorted))}`
    })
  })
  return lines.sort()
}
