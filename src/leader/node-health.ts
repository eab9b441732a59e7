import type { Lag } from '../change-log/lag.ts'

/** What a node reports about its own work. */
export interface NodeHealth {
  /** How far its publishing is behind; null for a node that does not publish. */
  readonly lag: Lag | null
  readonly outage: PublisherOutage | null
  readonly failures: readonly ModelFailures[]
  /** Numbers of sockets that asked for what they missed within the last hour, by outcome. Absent from older versions. */
  readonly catchUps?: Readonly<Record<string, number>>
}

/** The publisher's backend, such as the Redis server of a socket.io adapter, is unavailable. The feed waits for it. */
export interface PublisherOutage {
  /** When the outage was detected, in milliseconds since the epoch. */
  readonly since: number
  /** Message of the last error. */
  readonly reason: string
}

/** Failures to publish changes of one model within the last hour. */
export interface ModelFailures {
  readonly identity: string
  readonly count: number
  /** When the last failure occurred, in milliseconds since the epoch. */
  readonly at: number
  /** Message of the last failure's error. */
  readonly reason: string
  /** Where that error was thrown, such as a line of the model's `customToJSON`; null if no code threw. */
  readonly stack: string | null
}

const MODELS_SHOWN = 20

/** Serializes to ASCII JSON, which a database of any encoding accepts. */
export function formatHealth({ failures, ...health }: NodeHealth): string {
  const json = JSON.stringify({ ...health, failures: failures.slice(0, MODELS_SHOWN) })
  return json.replace(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
