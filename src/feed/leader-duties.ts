import { skipSlowConsumers } from '../change-log/consumers.ts'
import type { Position } from '../change-log/position.ts'
import { freeOldSlots, freePublishedSlots, logBytes, unpublishedBytes } from '../change-log/retention.ts'
import type { Election } from '../leader/election.ts'
import { terminateFormerGate } from '../leader/gate-holders.ts'
import { gateKey } from '../wakeup/channel.ts'
import { Gate } from '../wakeup/gate.ts'
import {
  afterRead,
  type GateCommand,
  gateGranted,
  gateRefused,
  type Mode,
  type PollingPolicy,
  startPolling,
} from '../wakeup/polling-policy.ts'
import type { WakeSignal } from '../wakeup/wake-signal.ts'
import type { FeedContext } from './context.ts'
import { repeat } from './repeat.ts'

export const RENEW_MS = 2_000
const FREE_MS = 2_000
/** How long a request for the gate waits before the polling policy is consulted again. */
const GATE_WAIT_MS = 2_000

/** The dependencies that a session passes to its leader duties. */
export interface LeaderDutiesParts {
  readonly election: Election
  readonly wake: WakeSignal
  onLost(error: Error): void
  /** A connection is lost: the others are cut. */
  readonly lost: AbortSignal
  /** Called when the backlog exceeds its limit. */
  abandonBacklog(): void
  /** The position up to which the log is published. */
  position(): Position
}

/** The duties of the leader besides publishing: polling policy and gate, lease, freeing space. */
export class LeaderDuties {
  readonly #context: FeedContext
  readonly #parts: LeaderDutiesParts
  readonly #gate: Gate
  readonly #stops: (() => void)[] = []
  #policy: PollingPolicy = startPolling(performance.now())
  #ended = false

  private constructor(context: FeedContext, parts: LeaderDutiesParts, gate: Gate) {
    this.#context = context
    this.#parts = parts
    this.#gate = gate
  }

  static async take(context: FeedContext, parts: LeaderDutiesParts): Promise<LeaderDuties> {
    const { connection, settings } = context
    const key = gateKey(settings.schema)
    await terminateFormerGate(context.db, key)
    const gateConnection = { ...connection, applicationName: `${connection.applicationName} gate` }
    const gate = await Gate.connect(gateConnection, key, error => parts.onLost(error), parts.lost)
    const duties = new LeaderDuties(context, parts, gate)
    duties.#repeat(RENEW_MS, () => parts.election.renew(), duties.#fail)
    duties.#repeat(RENEW_MS / 2, () => duties.#checkTrust(), duties.#fail)
    duties.#repeat(FREE_MS, () => duties.#free())
    duties.#command('close')
    return duties
  }

  get mode(): Mode {
    return this.#policy.mode
  }

  /** How long to wait for a wake before the next read, in milliseconds. */
  get waitMs(): number {
    return this.#policy.waitMs
  }

  afterRead(read: { wakes: number; found: boolean }): void {
    const [policy, command] = afterRead(this.#policy, performance.now(), read)
    this.#policy = policy
    this.#command(command)
  }

  /** A renewal may hang on a half-open connection, so the lease is also checked by time. */
  async #checkTrust() {
    if (!this.#parts.election.trusted) throw new Error('The leader could not renew its lease in time.')
  }

  async end(): Promise<void> {
    this.#ended = true
    for (const stop of this.#stops) stop()
    await this.#gate.disconnect()
  }

  #command(command: GateCommand) {
    if (command === 'open') this.#gate.open().catch(this.#fail)
    if (command === 'close') this.#gate.close(GATE_WAIT_MS).then(this.#gateAnswered, this.#fail)
  }

  readonly #gateAnswered = (granted: boolean) => {
    if (this.#ended) return
    if (granted) {
      this.#policy = gateGranted(this.#policy)
      this.#parts.wake.ring() // what committed before the grant did not notify
      return
    }
    const [policy, command] = gateRefused(this.#policy, performance.now())
    this.#policy = policy
    this.#command(command)
  }

  readonly #fail = (error: Error) => {
    if (!this.#ended) this.#parts.onLost(error)
  }

  #repeat(ms: number, task: () => Promise<unknown>, onError = this.#log) {
    this.#stops.push(repeat(ms, task, error => onError(error as Error)))
  }

  readonly #log = (error: Error) => {
    this.#context.logger.warn('Freeing space in the change log failed and will be retried', {
      error: error.message,
    })
  }

  /** A consumer may hold as much of the change log as the feed itself, and no more. */
  async #skipSlowConsumers() {
    const { db, settings, logger } = this.#context
    for (const consumer of await skipSlowConsumers(db, this.#parts.position(), settings.backlogLimitBytes)) {
      logger.error('A consumer has fallen behind by more than backlogLimitBytes: it receives a gap', { consumer })
    }
  }

  async #free() {
    const { db, settings, logger } = this.#context
    const freed = await freeOldSlots(db, settings.retentionMs)
    if (freed.length > 0) logger.debug('Freed old slots of the change log', { slots: freed.length })
    if ((await logBytes(db)) <= settings.backlogLimitBytes) return
    await freePublishedSlots(db)
    await this.#skipSlowConsumers()
    const bytes = await unpublishedBytes(db, this.#parts.position())
    if (bytes <= settings.backlogLimitBytes) return
    logger.error('The backlog of the change log exceeds backlogLimitBytes: unpublished changes are dropped', { bytes })
    this.#parts.abandonBacklog()
  }
}
