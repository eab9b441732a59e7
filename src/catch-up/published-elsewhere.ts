import { cursorOf, publishedPosition } from '../change-log/position.ts'
import { type ConnectionSettings, type Database, openDatabase } from '../db/connect.ts'
import { createPublisher } from '../feed/create-publisher.ts'
import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import type { CatchUps } from './catch-ups.ts'
import { createCatchUps } from './create-catch-ups.ts'

export interface PublishedElsewhereParts {
  readonly settings: Settings
  readonly models: Models
  readonly connection: ConnectionSettings
}

/** Catching up in a process whose feed does not run, because a separate listener publishes. Connects when it is used. */
export class PublishedElsewhere {
  readonly #parts: PublishedElsewhereParts
  #opened: { readonly db: Database; readonly catchUps: CatchUps | null } | null = null

  constructor(parts: PublishedElsewhereParts) {
    this.#parts = parts
  }

  /** Null if sockets cannot catch up. */
  get catchUps(): CatchUps | null {
    return this.#open().catchUps
  }

  /** Of the last published change, up to a second old. */
  async cursor(): Promise<string> {
    return cursorOf(await publishedPosition(this.#open().db)) ?? ''
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = null
    await opened?.catchUps?.close()
    await opened?.db.close()
  }

  #open() {
    this.#opened ??= this.#create()
    return this.#opened
  }

  #create() {
    const { settings, models, connection } = this.#parts
    const db = openDatabase(connection, settings.schema)
    const fanOut = 'cluster'
    const { catchUps } = createCatchUps({
      db,
      settings,
      models,
      fanOut,
      publisher: createPublisher(settings, { models, fanOut, onDisconnect: () => {} }),
      position: () => null,
      cursor: () => this.cursor(),
      onCaughtUp: () => {},
      onFailed: () => {},
      onRange: () => {},
    })
    return { db, catchUps }
  }
}
