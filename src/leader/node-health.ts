import type { Lag } from '../change-log/lag.ts'

/** What a node says of its own work. */
export interface NodeHealth {
  /** How far its own publishing is behind; null for a node that does not publish. */
  readonly lag: Lag | null
  readonly outage: PublisherOutage | null
  readonly failures: readonly ModelFailures[]
}

/** The publisher's backend, such as the Redis server of a socket.io adapter, takes no messages: the feed waits for it. */
export interface PublisherOutage {
  /** When it was noticed, in milliseconds since the epoch. */
  readonly since: number
  /** Message of the last error. */
  readonly reason: string
}

/** Changes of one model that could not be published as they are, within the last hour. */
export interface ModelFailures {
  readonly identity: string
  readonly count: number
  /** When the last one was, in milliseconds since the epoch. */
  readonly at: number
  /** Message of the last one's error. */
  readonly reason: string
  /** Where that error comes from, such as a line of the model's `customToJSON`; null where no code threw. */
  readonly stack: string | null
}

const MODELS_SHOWN = 20

/** As JSON in ASCII, which a database of any encoding takes. */
export function formatHealth({ failures, ...health }: NodeHealth): string {
  const json = JSON.stringify({ ...health, failures: failures.slice(0, MODELS_SHOWN) })
  return json.replace(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
