import type { Duplex } from 'node:stream'
import pg from 'pg'

/** A query without a response after this time fails, unless the client was created with another time. */
export const QUERY_TIMEOUT_MS = 30_000
/** The end of a half-open connection is never confirmed. */
const END_TIMEOUT_MS = 2_000

/**
 * A client of node-postgres that waits for no response without limit. At the deadline it destroys its socket: a connection whose
 * query was only given up would still wait for the response, and so would the next query of whoever takes it from the pool.
 */
export class DeadlineClient extends pg.Client {
  readonly #timeoutMs: number

  /** With `timeoutMs` 0, queries have no deadline. */
  constructor(config: pg.ClientConfig, timeoutMs: number) {
    super(config)
    this.#timeoutMs = timeoutMs
  }

  /** Destroys the socket without notifying the server. Pending queries reject at once. */
  cut(error?: Error): void {
    const { connection } = this as unknown as { readonly connection: { readonly stream: Duplex } }
    connection.stream.destroy(error)
  }

  override query = ((...args: unknown[]): unknown => {
    const answered = this.#startDeadline()
    const callback = args.at(-1)
    if (typeof callback !== 'function') {
      const response = super.query(...(args as [string])) as Promise<unknown>
      response.then(answered, answered)
      return response
    }
    const onResponse = (...response: unknown[]) => {
      answered()
      callback(...response)
    }
    return super.query(...(args.slice(0, -1) as [string]), onResponse)
  }) as pg.Client['query']

  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | undefined {
    const timer = setTimeout(() => this.cut(), END_TIMEOUT_MS).unref()
    this.once('end', () => clearTimeout(timer))
    if (!callback) return super.end()
    super.end(callback)
    return undefined
  }

  /** Returns the function that ends it. */
  #startDeadline(): () => void {
    if (this.#timeoutMs === 0) return () => {}
    const late = () => this.cut(new Error(`Postgres did not respond within ${this.#timeoutMs} ms.`))
    const timer = setTimeout(late, this.#timeoutMs)
    return () => clearTimeout(timer)
  }
}
