import { createHash } from 'node:crypto'

/**
 * NOTIFY channel on which triggers wake the listener. LISTEN is per database, so the schema name distinguishes feeds.
 */
export const wakeChannel = (schema: string) => `changefeed_wake_${fingerprint(schema).toString('hex', 0, 6)}`

/** NOTIFY channel on which the leader announces new ticks to the other nodes. */
export const tickChannel = (schema: string) => `changefeed_tick_${fingerprint(schema).toString('hex', 0, 6)}`

/** NOTIFY channel on which operators announce that a model was paused or resumed. */
export const pauseChannel = (schema: string) => `changefeed_pause_${fingerprint(schema).toString('hex', 0, 6)}`

/**
 * Advisory key of the gate: held exclusively while the listener sleeps, shared by every writing transaction. Only a
 * hint, since any role that may connect can take it.
 */
export const gateKey = (schema: string): AdvisoryKey => [GATE, fingerprint(schema).readInt32BE(6)]

/** The two-integer form of an advisory lock key. */
export type AdvisoryKey = readonly [number, number]

const GATE = 0x57_4c_00_01 // 'WL' and a number: the first integer marks the lock as ours in pg_locks

const fingerprint = (schema: string) => createHash('md5').update(schema).digest()
