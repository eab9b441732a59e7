import type { Database } from '../db/connect.ts'
import { asError, ChangefeedError } from '../errors.ts'
import type { LogReplayParts } from '../feed/log-replay.ts'
import { type Replay, runReplay } from '../feed/replay.ts'

/** The publisher and settings of a replay. */
export interface ReplayTarget extends Omit<LogReplayParts, 'db'> {
  /** How the sockets are reached: the name of the adapter or similar. */
  readonly by: string
}

/** The current or the last replay. */
export interface ReplayProgress {
  readonly state: 'running' | 'stopping' | 'done' | 'stopped' | 'failed'
  readonly models: readonly string[]
  /** Number of changes to publish. */
  readonly total: number
  /** Number of changes published so far. */
  readonly done: number
  readonly startedAt: Date
  /** Null while it runs. */
  readonly endedAt: Date | null
  /** The error message if it failed. */
  readonly failure: string | null
}

/** Runs replays in this process, one at a time. */
export class ReplayRunner {
  readonly #parts: LogReplayParts
  #controller = new AbortController()
  #running: Promise<void> | null = null
  #progress: ReplayProgress | null = null

  constructor(db: Database, target: ReplayTarget) {
    this.#parts = { ...target, db }
  }

  /** Null before the first replay. */
  get progress(): ReplayProgress | null {
    return this.#progress
  }

  /** Throws `E_STATE` while another replay is running. */
  start(replay: Replay): void {
    if (this.#running)
      throw new ChangefeedError('E_STATE', 'A replay is already running. Wait until it ends, or stop it.')
    const models = [...new Set(replay.tables.values())].sort()
    const { total } = replay
    this.#controller = new AbortController()
    this.#progress = { state: 'running', models, total, done: 0, startedAt: new Date(), endedAt: null, failure: null }
    this.#running = this.#run(replay).finally(() => {
      this.#running = null
    })
  }

  /** Stops the running replay after the change that is being published. */
  async stop(): Promise<void> {
    if (!this.#running) return
    this.#controller.abort()
    this.#note({ state: 'stopping' })
    await this.#running
  }

  async #run(replay: Replay) {
    const { signal } = this.#controller
    const onPage = (changes: number) => this.#note({ done: (this.#progress?.done ?? 0) + changes })
    const failure = await runReplay(this.#parts, replay, { signal, onPage }).then(
      () => null,
      error => asError(error).message,
    )
    const endedAt = new Date()
    if (signal.aborted) return this.#note({ state: 'stopped', endedAt }) // an aborted replay may also reject
    if (failure === null) return this.#note({ state: 'done', endedAt })
    this.#parts.settings.logger.error('The replay failed', { error: failure })
    this.#note({ state: 'failed', endedAt, failure })
  }

  #note(changes: Partial<ReplayProgress>) {
    if (this.#progress) this.#progress = { ...this.#progress, ...changes }
  }
}
