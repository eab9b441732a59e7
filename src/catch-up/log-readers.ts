import type { Position } from '../change-log/position.ts'
import type { Database } from '../db/connect.ts'
import { LogReplay } from '../feed/log-replay.ts'
import { silentLogger } from '../logger.ts'
import type { Models } from '../models/model.ts'
import { AbortController } from '../node-globals.ts'
import type { Settings } from '../options.ts'
import type { MessageMeta, RecordEvent } from '../publish/mapping/record-event.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'
import { EventList, loggedEvent } from './log-segment.ts'

/** How long an unused connection stays open, in milliseconds. */
const IDLE_MS = 5_000

export interface LogReadersParts {
  readonly db: Database
  readonly settings: Settings
  readonly models: Models
  /** What publishing the event would send. */
  readonly sentBy: (event: RecordEvent, meta: MessageMeta) => SentEvent
  /** Maximum number of reads at once, each with a connection of its own. */
  readonly concurrentReads: number
}

/** One range of the log: all changes after `from`, up to and including the tick `until`. */
export interface LogRange {
  readonly from: Position
  readonly until: bigint
  /** Maximum size of its events. */
  readonly maxBytes: number
}

export interface ReadRange {
  readonly list: EventList
  /** The last tick that was read. */
  readonly upTo: Position
}

/** Reads ranges of the change log as the events that publishing them would have sent. */
export class LogReaders {
  readonly #parts: LogReadersParts
  readonly #end = new AbortController()
  readonly #idle: LogReader[] = []
  readonly #waiting: (() => void)[] = []
  readonly #reading = new Set<Promise<ReadRange>>()
  #closing: NodeJS.Timeout | undefined
  /** Number of ranges that were read. */
  reads = 0

  constructor(parts: LogReadersParts) {
    this.#parts = parts
  }

  /** Waits for its turn. Throws `E_CONNECT`, errors of Postgres, and an error if the log was freed meanwhile. */
  async read(range: LogRange): Promise<ReadRange> {
    clearTimeout(this.#closing)
    while (this.#reading.size >= this.#parts.concurrentReads) {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    const reading = this.#read(range).finally(() => this.#finished(reading))
    this.#reading.add(reading)
    return await reading
  }

  /** Resolves when all connections are closed. */
  async close(): Promise<void> {
    this.#end.abort(new Error('The feed was stopped.'))
    await Promise.allSettled(this.#reading)
    await this.#closeIdle()
  }

  async #read(range: LogRange): Promise<ReadRange> {
    const { signal } = this.#end
    signal.throwIfAborted()
    const reader = this.#idle.pop() ?? (await LogReader.open(this.#parts))
    const result = await reader.read(range, signal).catch(async (error: unknown) => {
      await reader.close()
      throw error
    })
    this.reads++
    this.#idle.push(reader)
    signal.throwIfAborted()
    return result
  }

  #finished(reading: Promise<ReadRange>) {
    this.#reading.delete(reading)
    this.#waiting.shift()?.()
    if (this.#reading.size === 0) this.#closing = setTimeout(() => void this.#closeIdle(), IDLE_MS).unref()
  }

  async #closeIdle() {
    clearTimeout(this.#closing)
    await Promise.all(this.#idle.splice(0).map(reader => reader.close()))
  }
}

/** A connection that reads, and the dispatcher whose events are collected instead of being published. */
class LogReader {
  readonly #replay: LogReplay
  readonly #target: { list: EventList }

  private constructor(replay: LogReplay, target: { list: EventList }) {
    this.#replay = replay
    this.#target = target
  }

  static async open({ db, settings, models, sentBy }: LogReadersParts): Promise<LogReader> {
    const target = { list: new EventList(0) }
    const publish = (event: RecordEvent, meta: MessageMeta) => {
      if (!target.list.omits(event.identity)) target.list.add(loggedEvent(event, sentBy(event, meta)))
    }
    // Whatever is wrong with a change was logged when it was published.
    const parts = { db, models, publisher: { publish }, settings: { ...settings, logger: silentLogger } }
    return new LogReader(await LogReplay.open(parts, 'catch-up'), target)
  }

  async read({ from, until, maxBytes }: LogRange, signal: AbortSignal): Promise<ReadRange> {
    const list = new EventList(maxBytes)
    this.#target.list = list
    const onPage = (changes: number) => {
      list.changes += changes
    }
    const upTo = await this.#replay.publish({ from, until, wants: () => true, signal, onPage })
    return { list, upTo }
  }

  async close(): Promise<void> {
    await this.#replay.close()
  }
}
