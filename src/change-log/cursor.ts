import { ChangefeedError } from '../errors.ts'

/**
 * A position in the change feed. `epoch` changes when a database is restored or cloned, `tick` is the id of a tick,
 * `seq` orders changes within a tick. A change has the same cursor on every node.
 */
export interface Cursor {
  readonly epoch: number
  readonly tick: bigint
  readonly seq: bigint
  /** Top-level transaction id of the change. Absent for a position between changes. It does not affect the order. */
  readonly xid?: bigint
}

/** The opaque text in messages: base-36 numbers, `1.2s.7x.rk`. The last one, the transaction id, may be absent. */
export function formatCursor({ epoch, tick, seq, xid }: Cursor): string {
  const place = `${epoch.toString(36)}.${tick.toString(36)}.${seq.toString(36)}`
  return xid === undefined ? place : `${place}.${xid.toString(36)}`
}

/** Throws `E_USAGE` for anything that {@link formatCursor} did not write. */
export function parseCursor(text: string): Cursor {
  const parts = CURSOR.exec(typeof text === 'string' ? text : '')
  if (!parts) throw malformed()
  const [, epoch, tick, seq, xid] = parts
  return {
    epoch: Number(upTo(EPOCH_MAX, epoch)),
    tick: upTo(BIGINT_MAX, tick),
    seq: upTo(BIGINT_MAX, seq),
    ...(xid !== undefined && { xid: upTo(XID_MAX, xid) }),
  }
}

/** Of the columns of the change log, whose queries fail beyond them. */
const [EPOCH_MAX, BIGINT_MAX, XID_MAX] = [2n ** 31n - 1n, 2n ** 63n - 1n, 2n ** 64n - 1n]

function upTo(max: bigint, digits = ''): bigint {
  const number = base36(digits)
  if (number > max) throw malformed()
  return number
}

const malformed = () => new ChangefeedError('E_USAGE', 'Malformed cursor: pass the cursor of a message unchanged.')

const CURSOR = /^([0-9a-z]{1,7})\.([0-9a-z]{1,13})\.([0-9a-z]{1,13})(?:\.([0-9a-z]{1,13}))?$/

export function compareCursors(a: Cursor, b: Cursor): number {
  return a.epoch - b.epoch || compareBigints(a.tick, b.tick) || compareBigints(a.seq, b.seq)
}

const base36 = (digits: string) =>
  [...digits].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n)

const compareBigints = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)
