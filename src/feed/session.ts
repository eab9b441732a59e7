import type { Position } from '../change-log/position.ts'
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
  readonly #maintenance: Maintenance
  readonly #remembered: SessionCheckpoint | null
  /** Null until the connections are open. */
  #connected: ConnectedSession | null = null

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

  /** Runs until {@link stop}; rejects when a connection or a lock is lost, or the server is not one to read from. */
  async run(onReady: () => void): Promise<void> {
    try {
      const session = await this.#connect()
      await session.campaign()
      await this.#maintenance.start()
      if (!this.#end.signal.aborted) onReady()
      while (!this.#end.signal.aborted) await session.takeTurn()
    } catch (error) {
      this.#end.abort(error)
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
    })
    this.#connected = new ConnectedSession({
      context: this.#context,
      connection,
      maintenance: this.#maintenance,
      wake: this.#wake,
      remembered: this.#remembered,
      signal: this.#end.signal,
      onLost: this.#lose,
    })
    return this.#connected
  }

  /** Queries on a broken connection may hang, and are not waited for: the connection cuts its reader, the pool is renewed. */
  readonly #lose = (error: Error) => {
    if (this.#end.signal.aborted) return
    this.#finish(error)
    this.#connected?.cut()
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

/** The reason of an end that was asked for. */
const STOPPED = Symbol('stopped')
