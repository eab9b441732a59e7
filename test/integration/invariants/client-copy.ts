import type { Models } from '../../../src/models/model.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { applyEvent, type Contents, comparable, readContents } from '../../helpers/contents.ts'
import type { TestDatabase } from '../../helpers/database.ts'

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
      else applyEvent(this.#contents, event)
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
}

/** The content of the tables in the form of a copy. */
export async function tableContents(database: TestDatabase, models: Models) {
  return comparable(await readContents(database, models), models)
}
