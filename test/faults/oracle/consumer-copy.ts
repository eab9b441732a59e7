import type { Consumed } from '../../../src/catch-up/consumed.ts'
import type { Changefeed } from '../../../src/changefeed.ts'
import type { Models } from '../../../src/models/model.ts'
import { comparable, contentsOf, readRows } from '../../helpers/contents.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { type Random, randomOf } from '../../helpers/random.ts'
import { type Entry, MessageLog } from './message-log.ts'

const VERBS = { insert: 'created', update: 'updated', delete: 'destroyed' } as const

/** A worker with a durable position. It ends now and then without acknowledging, and resumes under its name. */
export class ConsumerCopy {
  readonly isReading = false
  readonly log = new MessageLog('consumer')
  /** Cursors of all changes that it received. */
  readonly cursors = new Set<string>()
  /** Models that it received a gap of. */
  readonly gaps = new Set<string>()
  readonly #feed: Changefeed
  readonly #models: Models
  readonly #database: TestDatabase
  readonly #random: Random
  readonly #rows = new Map<string, Map<number, Record<string, unknown>>>()
  readonly #end = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(feed: Changefeed, models: Models, database: TestDatabase, seed: number) {
    this.#feed = feed
    this.#models = models
    this.#database = database
    this.#random = randomOf(seed * 1_000 + 500)
  }

  /** Call before anything is written. `breaks`: whether it ends now and then. */
  start({ breaks }: { breaks: boolean }): void {
    this.#running = this.#run(breaks)
  }

  async stop(): Promise<void> {
    this.#end.abort()
    await this.#running
  }

  get contents(): string[] {
    const rowsOf = (identity: string) => [...(this.#rows.get(identity)?.values() ?? [])]
    return comparable(contentsOf(this.#models, rowsOf), this.#models)
  }

  async #run(breaks: boolean) {
    while (!this.#end.signal.aborted) {
      const consumer = this.#feed.consume({ name: 'oracle', from: 'oldest', signal: this.#end.signal })
      try {
        for await (const batch of consumer.batches()) {
          for (const item of batch) await this.#take(item)
          if (breaks && this.#random.chance(0.02)) break
          await consumer.acknowledge()
        }
      } catch {
        // An acknowledgement or the first connection met a fault. What was not acknowledged comes again.
      }
    }
  }

  async #take(item: Consumed) {
    const { identity } = item
    if (item.operation === 'gap') return await this.#gap(identity, item.reason)
    this.cursors.add(item.cursor)
    if (item.operation === 'truncate') {
      this.log.add({ verb: 'read', identity, key: '', text: `${identity} truncate` })
      return void this.#rows.delete(identity)
    }
    this.log.add(entryOf(item))
    const rows = this.#rows.get(identity) ?? new Map()
    this.#rows.set(identity, rows)
    if (item.operation !== 'insert') rows.delete(Number(item.previous?.id))
    if (item.operation !== 'delete') rows.set(Number(item.record?.id), item.record)
  }

  async #gap(identity: string, reason: string) {
    this.log.add({ verb: 'refetch', identity, reason, key: '', text: `${identity} gap ${reason}` })
    this.gaps.add(identity)
    const junctions = [...this.#models.values()].filter(model => model.junction).map(model => model.identity)
    if (reason === 'epoch') for (const each of junctions) this.gaps.add(each) // told of all models, which junctions belong to
    const rowsOf = await eventually(() => readRows(this.#database, this.#models), { withinMs: 60_000, everyMs: 200 })
    for (const each of [identity, ...junctions]) {
      this.#rows.set(each, new Map(rowsOf(each).map(row => [Number(row.id), row])))
    }
  }
}

function entryOf(item: Exclude<Consumed, { operation: 'gap' }>): Entry {
  const { identity, cursor, record, previous } = item
  const operation = item.operation as keyof typeof VERBS
  const rev = record?.rev
  return {
    verb: operation === 'update' && record?.id !== previous?.id ? 'created' : VERBS[operation],
    identity,
    id: Number((record ?? previous)?.id),
    ...(typeof rev === 'number' && rev !== previous?.rev && { rev }),
    key: `${cursor} ${identity}`,
    text: `${identity} ${(record ?? previous)?.id} ${operation} ${JSON.stringify(record ?? null)} ${cursor}`,
  }
}
