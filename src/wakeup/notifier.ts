import { Socket } from 'node:net'
import pgListen, { type Subscriber } from 'pg-listen'
import { type ConnectionSettings, clientConfig, connectError } from '../db/connect.ts'
import { QUERY_TIMEOUT_MS } from '../db/deadline-client.ts'

/** Upper bound for closing: `close()` of pg-listen never resolves on a half-open connection. */
const CLOSE_DEADLINE_MS = 2_000

export interface NotifierEvents {
  /** A notification arrived on `channel`. Only a hint: it may be duplicated, late, or for nothing. */
  onNotify(channel: string): void
  /** The connection was lost. Called once. This notifier does not reconnect; its owner opens a new one. */
  onLost(error: Error): void
}

/**
 * LISTEN on its own connection, through pg-listen. The reconnecting of pg-listen is disabled: a feed that loses one
 * connection restarts all of them, so that locks, position and subscriptions belong to the same session.
 */
export class Notifier {
  readonly #subscriber: Subscriber<Record<string, string>>
  readonly #socket: Socket
  #closed = false

  private constructor(subscriber: Subscriber<Record<string, string>>, socket: Socket) {
    this.#subscriber = subscriber
    this.#socket = socket
  }

  /** An abort of the signal cuts the connection. Throws `E_CONNECT`. */
  static async open(
    settings: ConnectionSettings,
    channels: readonly string[],
    events: NotifierEvents,
    signal: AbortSignal,
  ): Promise<Notifier> {
    const socket = new Socket()
    signal.addEventListener('abort', () => socket.destroy(), { once: true })
    const config = { ...clientConfig(settings), query_timeout: QUERY_TIMEOUT_MS, stream: () => socket }
    const subscriber = pgListen.default<Record<string, string>>(config, {
      retryLimit: 1, // the loop runs while attempt < limit: 1 means never
      retryTimeout: 0,
      paranoidChecking: false,
      parse: payload => payload,
      serialize: payload => payload,
    })
    const notifier = new Notifier(subscriber, socket)
    let open = false
    subscriber.events.on('error', error => {
      if (open && !notifier.#closed) events.onLost(error)
      open = false
    })
    subscriber.events.on('notification', ({ channel }) => events.onNotify(channel))
    try {
      await subscriber.connect()
      for (const channel of channels) await subscriber.listenTo(channel)
    } catch (error) {
      await notifier.close()
      throw connectError(error)
    }
    open = true
    return notifier
  }

  async close(): Promise<void> {
    this.#closed = true
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>(resolve => {
      timer = setTimeout(resolve, CLOSE_DEADLINE_MS)
    })
    await Promise.race([this.#subscriber.close().catch(() => {}), deadline])
    clearTimeout(timer)
    this.#socket.destroy()
  }
}
