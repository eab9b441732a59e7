import type { Position } from '../change-log/position.ts'
import { ChangefeedError } from '../errors.ts'
import type { Role } from '../leader/nodes.ts'
import { AbortController } from '../node-globals.ts'
import { pauseChannel, tickChannel, wakeChannel } from '../wakeup/channel.ts'
import type { Mode } from '../wakeup/polling-policy.ts'
import { WakeSignal } from '../wakeup/wake-signal.ts'
import { ConnectedSession } from './connected-session.ts'
import type { FeedContext } from './context.ts'
import { Maintenance } from './maintenance.ts'
import { SessionConnection } from './session-connection.ts'
import { modeOf } from './session-role.ts'
import type { SessionCheckpoint } from './tick-reader.ts'

/**
 * A feed between two losses of its connections. Whatever breaks ends it as a whole, and the feed begins another session with
 * the checkpoint of this one. So no lock, subscription or snapshot survives into the next session.
 */
export class Session {
  readonly #context: FeedContext
  readonly #wake = new WakeSignal()
  readonly #end = new AbortController()
  /** Aborted as well if a connection is lost. */
  readonly #lost = new AbortController()
  readonly #maintenance: Maintenance
  readonly #remembered: SessionCheckpoint | null
  /** Null until the connections are open. */
  #connected: ConnectedSession | null = null
  #isReady = false

  constructor(context: FeedContext, remembered: SessionCheckpoint | null) {
    this.#context = context
    this.#remembered = remembered
    this.#maintenance = new Maintenance(context, this, this.#lose)
  }

  get position(): Position | null {
    return this.checkpoint?.position ?? null
  }

  /** Where the next session goes on. */
  get checkpoint(): SessionCheckpoint | null {
    return this.#connected ? this.#connected.checkpoint : this.#remembered
  }

  get role(): Role {
    if (this.#connected?.role.name === 'leader') return 'leader'
    return this.#context.fanOut === 'local' ? 'follower' : 'standby'
  }

  get term(): string | null {
    return this.#connected?.term ?? null
  }

  get mode(): Mode | null {
    return this.#connected && modeOf(this.#connected.role)
  }

  /** Whether a notification has come back to this node. */
  get listening(): boolean {
    return this.#maintenance.proven
  }

  /** Whether it works: from the first report of this node until a connection is lost. */
  get isReady(): boolean {
    return this.#isReady && !this.#lost.signal.aborted
  }

  /**
   * Runs until {@link stop}; rejects when a connection or a lock is lost, or the server is not one to read from. Each step ends
   * soon after a loss, which the heartbeats notice on a half-open connection too.
   */
  async run(onReady: () => void): Promise<void> {
    try {
      const session = await this.#open()
      await this.#maintenance.watchConnection()
      await session.campaign()
      await this.#maintenance.start()
      this.#isReady = true
      if (!this.#end.signal.aborted) onReady()
      while (!this.#end.signal.aborted) await session.takeTurn()
    } catch (error) {
      this.#lose(error as Error)
    } finally {
      await this.#close()
    }
    if (this.#end.signal.reason !== STOPPED) throw this.#end.signal.reason
  }

  /** Ends the session after the event that is being published; its position is stored and its locks are free then. */
  stop(): void {
    this.#finish(STOPPED)
  }

  /** Reads now rather than at the next wake. */
  hurry(): void {
    this.#wake.ring()
  }

  async #open(): Promise<ConnectedSession> {
    const timer = setTimeout(() => this.#lose(LATE), OPEN_MS)
    try {
      await this.#context.check()
      return await this.#connect()
    } finally {
      clearTimeout(timer)
    }
  }

  async #connect(): Promise<ConnectedSession> {
    const { node, settings, pauses } = this.#context
    const { schema } = settings
    const [heartbeat, paused] = [Maintenance.heartbeatChannel(node), pauseChannel(schema)]
    const connection = await SessionConnection.open(this.#context, {
      channels: [wakeChannel(schema), tickChannel(schema), paused, heartbeat],
      onNotify: channel => {
        this.#maintenance.notified()
        if (channel === heartbeat) return
        if (channel === paused) pauses.look()
        this.#wake.ring()
      },
      onLost: this.#lose,
      lost: this.#lost.signal,
    })
    this.#connected = new ConnectedSession({
      context: this.#context,
      connection,
      maintenance: this.#maintenance,
      wake: this.#wake,
      remembered: this.#remembered,
      signal: this.#end.signal,
      lost: this.#lost.signal,
      onLost: this.#lose,
    })
    return this.#connected
  }

  /** Queries on a broken connection may hang, and are not waited for: all connections are cut. */
  readonly #lose = (error: Error) => {
    if (this.#end.signal.aborted) return
    this.#finish(error)
    this.#lost.abort(error)
    this.#context.db.renew()
  }

  #finish(reason: unknown) {
    this.#end.abort(reason)
    this.#connected?.abort(reason)
    this.#wake.ring()
  }

  /** In this order: publish no more, store the position, hand over. A connection that is gone must not keep us. */
  async #close() {
    const clean = this.#end.signal.reason === STOPPED
    if (clean) await this.#maintenance.leave().catch(() => {})
    this.#maintenance.end()
    await this.#connected?.close({ clean })
  }
}

/** How long the server may take until both connections of a session are open. */
const OPEN_MS = 15_000
const LATE = new ChangefeedError(
  'E_CONNECT',
  `Cannot connect to Postgres: it did not respond within ${OPEN_MS / 1000} s. Check the network and the load of the server.`,
)

/** The reason of an end that was asked for. */
const STOPPED = Symbol('stopped')
