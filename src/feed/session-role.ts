import type { Mode } from '../wakeup/polling-policy.ts'
import type { LeaderDuties } from './leader-duties.ts'
import type { TickReader } from './tick-reader.ts'

/**
 * What a connected session does:
 *
 * | role     | while                                          | publishes                           | next             |
 * | -------- | ---------------------------------------------- | ----------------------------------- | ---------------- |
 * | waiting  | another node leads, and publishes for all; or  | nothing                             | follower, leader |
 * |          | the database has a history that only a leader  |                                     |                  |
 * |          | may accept                                     |                                     |                  |
 * | follower | another node leads, and every node publishes   | the leader's ticks to its sockets   | leader           |
 * | leader   | it holds the lease                             | ticks that others cut, then its own | none             |
 *
 * A leader that loses its lease or a connection ends the session, and the next one begins as `waiting`.
 */
export type SessionRole = Waiting | Follower | Leader

export interface Waiting {
  readonly name: 'waiting'
}

export interface Follower {
  readonly name: 'follower'
  readonly ticks: TickReader
}

export interface Leader {
  readonly name: 'leader'
  readonly ticks: TickReader
  readonly duties: LeaderDuties
  readonly term: string
  /** Set once all ticks that others cut are published: the ones that follow are this leader's own. */
  hasCaughtUp: boolean
}

export const ticksOf = (role: SessionRole): TickReader | null => (role.name === 'waiting' ? null : role.ticks)

export const modeOf = (role: SessionRole): Mode | null => (role.name === 'leader' ? role.duties.mode : null)
