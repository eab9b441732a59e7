import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { readLag } from '../change-log/lag.ts'
import { type Position, storePosition } from '../change-log/position.ts'
import type { NodeHealth } from '../leader/node-health.ts'
import { type Role, removeNode, reportNode } from '../leader/nodes.ts'
import { tickChannel } from '../wakeup/channel.ts'
import type { FeedContext } from './context.ts'
import { repeat } from './repeat.ts'

const HEARTBEAT_MS = 5_000
const REPORT_MS = 5_000
const STORE_MS = 1_000
const LOOK_AROUND_MS = 2_000
const CHECK_MS = 2_000

const NO_HEARTBEAT = `No notification was received within ${HEARTBEAT_MS} ms. The connection is broken, or goes through a pooler in transaction or statement mode. Connect the listener to the server itself, or to a pooler in session mode.`

interface Heartbeat {
  /** The server has answered. */
  isTaken: boolean
  /** It was not taken in time. */
  isLate: boolean
}

interface Subject {
  readonly role: Role
  readonly position: Position | null
  /** Set for the leader. */
  readonly term: string | null
  /** Reads, and declares what has been noticed, at once. */
  hurry(): void
}

/** Periodic tasks of every session: verify that notifications arrive, store the position, report the node. */
export class Maintenance {
  readonly #context: FeedContext
  readonly #subject: Subject
  readonly #onLost: (error: Error) => void
  readonly #stops: (() => void)[] = []
  #stored: Position | null = null
  #others = 0
  #announcing = false
  /** The heartbeat that has not come back yet. */
  #heartbeat: Heartbeat | null = null
  #proven = false

  constructor(context: FeedContext, subject: Subject, onLost: (error: Error) => void) {
    this.#context = context
    this.#subject = subject
    this.#onLost = onLost
  }

  /** A channel for this node only, on which {@link Maintenance} sends heartbeats. */
  static heartbeatChannel(node: string): string {
    return `changefeed_node_${createHash('md5').update(node).digest('hex').slice(0, 16)}`
  }

  /** Notices a dead connection from now on. Without it, a half-open one would not be noticed before the deadline of a query. */
  async watchConnection(): Promise<void> {
    await this.#beat()
    this.#repeat(HEARTBEAT_MS, () => this.#beat(), this.#onLost)
  }

  async start(): Promise<void> {
    await this.#context.dispatcher.refreshTables()
    await this.#report()
    this.#repeat(REPORT_MS, () => this.#report())
    this.#reportOutages()
    this.#repeat(STORE_MS, () => this.store())
    this.#repeat(CHECK_MS, () => this.#checkPublisher())
    this.#repeat(LOOK_AROUND_MS, async () => {
      if (await this.#context.dispatcher.refreshTables()) this.#subject.hurry()
    })
  }

  /**
   * Call for every notification: it proves that the server still has our subscription and that the connection works. It
   * need not be the heartbeat, which is late while another role floods our channels.
   */
  notified(): void {
    this.#heartbeat = null
    this.#proven = true
  }

  /** Whether a notification was received in this session. */
  get proven(): boolean {
    return this.#proven
  }

  /** Stores the leader's position, so that published changes are not published again. */
  async store(): Promise<void> {
    const { role, position, term } = this.#subject
    if (role !== 'leader' || term === null || !position || position === this.#stored) return
    await storePosition(this.#context.db, position, term)
    this.#stored = position
  }

  /** Notifies the other nodes of new ticks. One pending notification covers any number of ticks. */
  announceTick(): void {
    if (this.#others === 0 || this.#announcing) return
    this.#announcing = true
    this.#notify(tickChannel(this.#context.settings.schema))
      .catch(() => {}) // only a hint: nodes also poll every second
      .finally(() => {
        this.#announcing = false
      })
  }

  /** Resigns, so that another node can lead at once. */
  async handOver(): Promise<void> {
    if (this.#others > 0) await this.#notify(tickChannel(this.#context.settings.schema))
  }

  /** Stops the periodic tasks. */
  end(): void {
    for (const stop of this.#stops) stop()
  }

  /** Stores the position and removes this node from the node table. */
  async leave(): Promise<void> {
    this.end()
    await this.store()
    await removeNode(this.#context.db, this.#context.node)
  }

  /** Reports an outage at once, so that the status never shows a working publisher during one. */
  #reportOutages() {
    const { events } = this.#context
    const report = () => void this.#report().catch(this.#log)
    events.on('outage', report)
    this.#stops.push(() => events.off('outage', report))
  }

  /** A standby publishes nothing, so it has no outage. */
  async #checkPublisher() {
    if (this.#subject.role !== 'standby') await this.#context.dispatcher.checkPublisher()
  }

  /**
   * Does not wait until the server has taken the heartbeat, since a half-open connection never says so. A server that is slow
   * to take it has twice the time.
   */
  async #beat() {
    await setImmediate() // notifications that arrived while the event loop was blocked are read first
    if (this.#heartbeat?.isTaken || this.#heartbeat?.isLate) throw new Error(NO_HEARTBEAT)
    if (this.#heartbeat) this.#heartbeat.isLate = true
    else this.#sendHeartbeat()
  }

  #sendHeartbeat() {
    const heartbeat = { isTaken: false, isLate: false }
    this.#heartbeat = heartbeat
    this.#notify(Maintenance.heartbeatChannel(this.#context.node)).then(isSent => {
      heartbeat.isTaken = true
      if (!isSent) this.#heartbeat = null
    }, this.#onLost)
  }

  /**
   * False if the server's notification queue is half full. Any role can fill it, and a full queue rejects
   * notifications.
   */
  async #notify(channel: string): Promise<boolean> {
    const { rows } = await sql`
      select pg_catalog.pg_notify(${channel}, '') where pg_catalog.pg_notification_queue_usage() < 0.5`.execute(
      this.#context.db.kysely,
    )
    return rows.length > 0
  }

  async #report() {
    const { role, position } = this.#subject
    const { db, node, pauses, publisher, captureWatch } = this.#context
    const sockets = publisher.sockets?.() ?? null
    const captured = captureWatch.published
    const health = await this.#health()
    const report = { id: node, role, tick: position?.tick.id ?? 0n, sockets, captured, health }
    this.#others = await reportNode(db, report)
    pauses.look()
    if (role === 'leader') await pauses.tidy()
  }

  async #health(): Promise<NodeHealth> {
    const { role, position } = this.#subject
    const { db, publisherWatch, failures, catchUpOutcomes } = this.#context
    const publishes = role !== 'standby'
    const lag = publishes && position ? await readLag(db, position) : null
    const outage = publishes ? publisherWatch.outage : null
    return { lag, outage, failures: failures.recent(), catchUps: catchUpOutcomes.recent() }
  }

  #repeat(ms: number, task: () => Promise<unknown>, onError = this.#log) {
    this.#stops.push(repeat(ms, task, error => onError(error as Error)))
  }

  readonly #log = (error: Error) => {
    this.#context.logger.debug('Maintenance failed and will be retried', { error: error.message })
  }
}
