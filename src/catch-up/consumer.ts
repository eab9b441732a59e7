import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../backoff.ts'
import {
  type AcknowledgedPlace,
  claimConsumer,
  consumerExists,
  registerConsumer,
  releaseConsumer,
  storeConsumer,
} from '../change-log/consumers.ts'
import { parseCursor } from '../change-log/cursor.ts'
import { extentOfLog, newestTick, type Position, storedPosition } from '../change-log/position.ts'
import { positionNow } from '../change-log/seek.ts'
import { parseSince } from '../change-log/since.ts'
import { WHOLE_TICK } from '../change-log/tick.ts'
import { type ConnectionSettings, type Database, openDatabase } from '../db/connect.ts'
import { asError, ChangefeedError } from '../errors.ts'
import { LogReplay } from '../feed/log-replay.ts'
import { type Resumed, resume, resumedAt, type SessionCheckpoint } from '../feed/tick-reader.ts'
import { type Backend, readLease } from '../leader/lease.ts'
import type { Models } from '../models/model.ts'
import { AbortController } from '../node-globals.ts'
import type { Settings } from '../options.ts'
import type { ChangeEvent } from '../pipeline/events.ts'
import type { RecordEvent } from '../publish/mapping/record-event.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { type Consumed, gapOf, type Place } from './consumed.ts'
import type { ParsedConsumerOptions } from './consumer-options.ts'
import { ItemBuffer } from './item-buffer.ts'

/** How often the log is read for new ticks, in milliseconds. */
const POLL_MS = 100
const BACKOFF = { firstMs: 100, lastMs: 10_000 }
/** How often it is asked whether another process still reads as the consumer. */
const CLAIM_MS = 500
/** Progress without acknowledgements, past changes of other models, is stored this often. */
const STORE_MS = 1_000

export interface ConsumerParts {
  readonly settings: Settings
  readonly models: Models
  readonly connection: ConnectionSettings
  /** Throws where nothing is installed. */
  check(db: Database): Promise<void>
}

/**
 * Reads every committed change in order, at least once: after a crash it resumes behind the last one that was acknowledged.
 * One process at a time reads as a consumer; others of the same name wait.
 */
export class Consumer implements AsyncIterable<Consumed> {
  readonly #parts: ConsumerParts
  readonly #options: ParsedConsumerOptions
  readonly #db: Database
  readonly #end = new AbortController()
  readonly #items: ItemBuffer<Consumed>
  readonly #acknowledgements = new Acknowledgements()
  #reading: Promise<void> | null = null
  #backend: Backend | null = null
  /** Of the log that the present session reads. */
  #epoch = 0
  #checkpoint: SessionCheckpoint | null = null
  #last: Consumed | null = null
  #stored: AcknowledgedPlace | null = null
  #storing: Promise<void> = Promise.resolve()
  #isStoreQueued = false

  /** Use `feed.consume()`. */
  constructor(parts: ConsumerParts, options: ParsedConsumerOptions) {
    this.#parts = parts
    this.#options = options
    this.#db = openDatabase(parts.connection, parts.settings.schema)
    this.#items = new ItemBuffer(options.batchSize)
    // Removed when the consumer ends: a signal may serve many consumers, one after another.
    options.signal?.addEventListener('abort', () => this.#end.abort(), { signal: this.#end.signal })
    if (options.signal?.aborted) this.#end.abort()
  }

  /**
   * Everything up to this item (default: the last one that the iteration handed over) is done, and will not come again.
   * Resolves once that is stored.
   */
  async acknowledge(item: Consumed | undefined = this.#last ?? undefined): Promise<void> {
    if (!item) return
    this.#acknowledgements.acknowledge(item)
    await this.#store()
  }

  /** The changes one by one. Ending the loop closes the consumer. Throws what `feed.start()` throws. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Consumed, void> {
    for await (const [item] of this.#batches(1)) if (item) yield item
  }

  /** The changes in batches, each of what has been read by then, at most `batchSize`. */
  async *batches(): AsyncGenerator<Consumed[], void> {
    yield* this.#batches(this.#options.batchSize)
  }

  async *#batches(size: number): AsyncGenerator<Consumed[], void> {
    if (this.#reading) throw new ChangefeedError('E_STATE', 'A consumer is iterated once: call feed.consume() again.')
    this.#reading = this.#readUntilEnd()
    try {
      do {
        for (let batch = this.#items.take(size); batch.length > 0; batch = this.#items.take(size)) {
          this.#last = batch.at(-1) ?? null
          yield batch
        }
      } while (await this.#items.hasMore())
    } finally {
      this.#end.abort()
      await this.#reading
    }
  }

  /** Never rejects: what ends the iteration is the error of the stream. */
  async #readUntilEnd() {
    const { signal } = this.#end
    signal.addEventListener('abort', () => this.#items.end(), { once: true })
    let [failures, everRead] = [0, false]
    while (!signal.aborted) {
      try {
        await this.#session(() => {
          everRead = true
          failures = 0
        })
      } catch (error) {
        if (signal.aborted) break
        if (!everRead || isPermanent(error)) {
          this.#items.fail(asError(error))
          break
        }
        this.#log('The consumer lost the database and connects again', error)
        this.#db.renew()
        await sleep(backoffMs(++failures, BACKOFF), undefined, { signal }).catch(() => {})
      }
    }
    await this.#storing.catch(() => {})
    await this.#db.close()
  }

  #log(message: string, error: unknown) {
    this.#parts.settings.logger.warn(message, { consumer: this.#options.name, error: asError(error).message })
  }

  async #session(onReady: () => void) {
    const { settings, models, check } = this.#parts
    await check(this.#db)
    if (!(await readLease(this.#db))?.fresh) settings.logger.warn(NO_LEADER, { consumer: this.#options.name })
    const time = await this.#register()
    const publisher = {
      publish: (event: RecordEvent, { cursor, at }: Place) => this.#onPublish(event, { cursor, at }),
      hasReceivers: ({ verb }: RecordEvent) => verb === 'refetch',
    }
    const replay = await LogReplay.open({ db: this.#db, settings, models, publisher }, `consumer ${this.#options.name}`)
    const remove = replay.events.onChange(change => this.#onChange(change))
    try {
      const { timeline } = await replay.identity()
      await this.#claim(await replay.backend())
      onReady()
      const resumed = await this.#resume(timeline)
      this.#epoch = resumed.position.epoch
      try {
        await this.#follow(replay, resumed, time)
      } finally {
        if (replay.position) this.#checkpoint = { ...resumed, position: replay.position, timeline }
      }
    } finally {
      remove()
      await this.#store().catch(() => {})
      if (this.#backend) await releaseConsumer(this.#db, this.#options.name, this.#backend).catch(() => {})
      this.#backend = null
      await replay.close()
    }
  }

  /** Of a new consumer that begins at a time, that time: the tick at which it begins holds earlier changes too. */
  async #register(): Promise<Date | null> {
    const { name, from } = this.#options
    if (await consumerExists(this.#db, name)) return null
    const { position, time } = await this.#begin(from)
    await registerConsumer(this.#db, name, position)
    return time
  }

  async #begin(from: string): Promise<{ position: Position; time: Date | null }> {
    if (from === 'now') return { position: await positionNow(this.#db), time: null }
    if (from !== 'oldest') return await parseSince(this.#db, from)
    const { epoch, oldest } = await extentOfLog(this.#db)
    const tick = await newestTick(this.#db, oldest)
    return tick ? { position: { epoch, tick }, time: null } : { position: await positionNow(this.#db), time: null }
  }

  async #claim(backend: Backend) {
    const { name } = this.#options
    while (!(await claimConsumer(this.#db, name, backend))) {
      if (!(await consumerExists(this.#db, name))) throw dropped(name)
      await sleep(CLAIM_MS, undefined, { signal: this.#end.signal })
    }
    this.#backend = backend
  }

  /** After a lost connection, behind what was handed over; otherwise behind what was acknowledged. */
  async #resume(timeline: string): Promise<Resumed> {
    const { epoch } = await extentOfLog(this.#db)
    const checkpoint = this.#checkpoint
    if (checkpoint) {
      return await resume(this.#db, { epoch, timeline, checkpoint, leads: false, fanOut: 'local' })
    }
    const stored = await storedPosition(this.#db, epoch, this.#options.name)
    return resumedAt(stored ?? { ...(await positionNow(this.#db)), gap: 'gap' })
  }

  async #follow(replay: LogReplay, { position: from, published }: Resumed, time: Date | null) {
    const { signal } = this.#end
    if (from.gap) for (const identity of this.#models()) await this.#push(gapOf(identity, from))
    let { gap: _, ...position }: Position = from
    const wants = ({ at }: { at: Date }) => time === null || at >= time
    for (let storedAt = performance.now(); !signal.aborted; ) {
      const { epoch, tick } = await positionNow(this.#db)
      if (epoch !== position.epoch) throw new Error(NEW_EPOCH)
      position = await replay.publish({ from: position, published, until: tick.id, wants, signal })
      if (signal.aborted) return
      this.#acknowledgements.reached({ epoch, tick: position.tick.id, seq: WHOLE_TICK })
      if (performance.now() - storedAt > STORE_MS) {
        storedAt = performance.now()
        await this.#store()
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => {})
    }
  }

  #models(): readonly string[] {
    const { models } = this.#options
    return [...this.#parts.models.values()]
      .filter(({ identity, junction }) => !junction && (!models || models.includes(identity)))
      .map(({ identity }) => identity)
  }

  async #onChange({ meta, ...change }: ChangeEvent) {
    const { models } = this.#options
    if (models && !models.includes(change.identity)) return
    await this.#push({ ...change, cursor: meta.cursor, at: meta.at })
  }

  async #onPublish(event: RecordEvent, place: Place) {
    if (event.verb !== 'refetch' || event.reason === 'truncate' || !this.#models().includes(event.identity)) return
    await this.#push({ operation: 'gap', identity: event.identity, reason: event.reason, ...place })
  }

  /** Waits while as much has been read ahead as is allowed. */
  async #push(item: Consumed) {
    const { signal } = this.#end
    signal.throwIfAborted()
    const { epoch, tick, seq } = parseCursor(item.cursor)
    this.#acknowledgements.add(item, { epoch, tick, seq })
    await this.#items.push(item, signal)
  }

  /** One statement at a time; acknowledgements that come meanwhile share the next one. */
  #store(): Promise<void> {
    if (this.#isStoreQueued) return this.#storing
    this.#isStoreQueued = true
    this.#storing = this.#storing
      .catch(() => {})
      .then(async () => {
        this.#isStoreQueued = false
        await this.#storeNow()
      })
    return this.#storing
  }

  async #storeNow() {
    const { place } = this.#acknowledgements
    const [{ name }, backend] = [this.#options, this.#backend]
    if (!place || !backend || isSame(place, this.#stored)) return
    if (place.epoch !== this.#epoch) return // the ids of ticks have begun anew, and the consumer received a gap
    if (!(await storeConsumer(this.#db, name, place, backend))) {
      throw (await extentOfLog(this.#db)).epoch === place.epoch ? dropped(name) : new Error(NEW_EPOCH)
    }
    this.#stored = place
  }
}

const NO_LEADER = 'No listener runs, so a consumer receives nothing: start one'

const NEW_EPOCH = 'The database has started a new epoch.'

const isSame = (a: AcknowledgedPlace, b: AcknowledgedPlace | null) =>
  a.epoch === b?.epoch && a.tick === b.tick && a.seq === b.seq

const dropped = (name: string) =>
  new ChangefeedError(
    'E_STATE',
    `The consumer "${name}" was dropped, or another process reads as it now. Call feed.consume() again to begin anew.`,
  )

const PERMANENT: readonly string[] = [
  'E_NOT_INSTALLED',
  'E_VERSION',
  'E_SCHEMA_OWNER',
  'E_PRIVILEGE',
  'E_STATE',
  'E_USAGE',
]

const isPermanent = (error: unknown) => error instanceof ChangefeedError && PERMANENT.includes(error.code)
