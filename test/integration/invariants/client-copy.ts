import { type Model, type Models, pluralAssociations } from '../../../src/models/model.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import type { TestDatabase } from '../../helpers/database.ts'

/** A client's copy of a record: its attributes, and the ids of its members by collection. */
interface Held {
  readonly values: Record<string, unknown>
  readonly members: Record<string, Set<number>>
}

type Contents = Map<string, Map<number, Held>>

/**
 * A client as in a Sails tutorial: it reads records with their members, watches the models, and applies each message to
 * its copy. After `refetch` it reads that model again.
 */
export class ClientCopy {
  readonly #database: TestDatabase
  readonly #models: Models
  #contents: Contents = new Map()
  #work: Promise<unknown> = Promise.resolve()

  constructor(database: TestDatabase, models: Models) {
    this.#database = database
    this.#models = models
  }

  /** Between two messages. */
  read(): Promise<void> {
    return this.#inTurn(async () => {
      this.#contents = await readContents(this.#database, this.#models)
    })
  }

  hear(event: RecordEvent): Promise<void> {
    return this.#inTurn(async () => {
      if (event.verb === 'refetch') await this.#readAgain(event.identity)
      else this.#apply(event)
    })
  }

  get contents() {
    return comparable(this.#contents, this.#models)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(work)
    this.#work = turn.catch(() => {})
    return turn
  }

  async #readAgain(identity: string) {
    const now = await readContents(this.#database, this.#models)
    this.#contents.set(identity, now.get(identity) ?? new Map())
  }

  #apply(event: Exclude<RecordEvent, { verb: 'refetch' }>) {
    const records = this.#contents.get(event.identity)
    const held = records?.get(Number(event.id))
    switch (event.verb) {
      case 'created':
        for (const reverse of event.reverse) if (reverse.verb !== 'refetch') this.#apply(reverse)
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
}

/** The content of the tables in the form of a copy. */
export async function tableContents(database: TestDatabase, models: Models) {
  return comparable(await readContents(database, models), models)
}

/** Reads everything in one statement, and so in one snapshot. */
async function readContents(database: TestDatabase, models: Models): Promise<Contents> {
  const parts = [...models.values()].map(model => `'${model.identity}', (select json_agg(r) from "${model.table}" r)`)
  const [row] = await database.query<{ all: Record<string, Record<string, unknown>[] | null> }>(
    `select json_build_object(${parts.join(', ')}) as all`,
  )
  const rowsOf = (identity: string) => row?.all[identity] ?? []
  const shown = [...models.values()].filter(({ junction }) => !junction)
  return new Map(
    shown.map(model => {
      const held = rowsOf(model.identity).map(
        values => [Number(values.id), { values, members: membersOf(model, Number(values.id), rowsOf) }] as const,
      )
      return [model.identity, new Map(held)]
    }),
  )
}

function membersOf(model: Model, id: number, rowsOf: (identity: string) => Record<string, unknown>[]): Held['members'] {
  const members: Held['members'] = {}
  for (const { alias, linkModel, parentAttribute, childAttribute = '' } of pluralAssociations(model)) {
    const own = rowsOf(linkModel).filter(row => row[parentAttribute] === id)
    members[alias] = new Set(own.map(row => Number(row[childAttribute])))
  }
  return members
}

/** References to missing records are read as null, since Sails sends them so. */
function comparable(contents: Contents, models: Models) {
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
