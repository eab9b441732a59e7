import type { Row } from './live-list.ts'
import type { State } from './state.ts'

export interface ChangesOptions {
  /** Where the cursor is kept across reloads of the page, as `changefeed`. @default in memory only */
  readonly storage?: CursorStorage
}

/** `sessionStorage`, or what has these functions. */
export interface CursorStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/** Keeps the messages of one socket complete across reconnects. */
export interface Changes {
  readonly state: State
  /**
   * Requests a path whose GET subscribes the socket, now and after each connect. `take` receives the answer the first time and
   * after each gap, and after each connect if the list is at its limit, 30 or that of the path, or if the path filters: records
   * that the list has no longer are not subscribed again. Messages that arrive before the answer are handed over behind it.
   */
  get<T = unknown>(path: string, take?: (answer: T) => void): void
  /**
   * The list at a path, which follows the server from the first answer on, in the order of its ids. `model` is the identity of its
   * model. Where only the server knows the list, and after a write of this socket, it is requested again.
   * @default `model` is the first part of the path
   */
  live<T = Row>(path: string, model?: string): LiveList<T>
  /** Several listeners may be set for one event. What they throw is reported as an unhandled rejection. */
  on<Name extends keyof ChangesEvents>(name: Name, listener: (event: ChangesEvents[Name]) => void): void
  /** From now on messages pass as without this client. `changefeed()` makes a new one of the socket. */
  close(): void
}

/** An array that follows a list of the server. It stays the same object. */
export type LiveList<T> = T[] & {
  /** Called after each change of the array. */
  onChange?(list: T[]): void
}

export interface ChangesEvents {
  /**
   * Everything has been handed over: after each connect, and after lists have been requested again. The cursor is empty if the
   * server does not replay.
   */
  caughtUp: { readonly cursor: string }
  /** Changes are missing. */
  gap: Gap
  /** A request failed. `status` is 0 if there was no answer. What may succeed later is repeated. */
  error: { readonly path: string; readonly status: number; readonly body?: unknown }
}

/** Changes that cannot be replayed. */
export interface Gap {
  /** That of the server, or `failed` if it could not be asked. */
  readonly reason: string
  /** The models that it affects. Empty if it may be any. */
  readonly identities: readonly string[]
  /** The fresh answers of the subscribing requests, by path. */
  readonly lists: Readonly<Record<string, unknown>>
}
