import { type Client, type ConnectionSettings, connectClient } from '../db/connect.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import type { AdvisoryKey } from './channel.ts'

/**
 * The gate between writers and the listener: an advisory lock K. A writing transaction tries to share K. While we hold
 * K or wait for it, that fails and the transaction sends NOTIFY. Otherwise it need not notify, because we cannot get K
 * before it has ended. The lock request has its own connection, since reading continues while it waits.
 */
export class Gate {
  readonly #client: Client
  readonly #key: AdvisoryKey

  private constructor(client: Client, key: AdvisoryKey) {
    this.#client = client
    this.#key = key
  }

  /** An abort of the signal cuts the connection. */
  static async connect(
    settings: ConnectionSettings,
    key: AdvisoryKey,
    onLost: (error: Error) => void,
    signal?: AbortSignal,
  ): Promise<Gate> {
    const client = await connectClient(settings, onLost, signal)
    await client.query('set statement_timeout = 0')
    return new Gate(client, key)
  }

  /**
   * Requests K and waits at most `timeoutMs`. True: every later commit will notify, and every transaction that did not
   * notify has ended. False: a transaction that did not notify is still open.
   */
  async close(timeoutMs: number): Promise<boolean> {
    await this.#client.query("select pg_catalog.set_config('lock_timeout', $1, false)", [String(timeoutMs)])
    try {
      await this.#client.query('select pg_catalog.pg_advisory_lock($1, $2)', [...this.#key])
      return true
    } catch (error) {
      if (sqlstateOf(error) === SQLSTATE.lockNotAvailable) return false
      throw error
    }
  }

  /** Releases K. From now on commits are found by polling. */
  async open(): Promise<void> {
    await this.#client.query('select pg_catalog.pg_advisory_unlock($1, $2)', [...this.#key])
  }

  async disconnect(): Promise<void> {
    await this.#client.end()
  }
}
