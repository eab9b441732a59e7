/**
 * A parsed `pg_snapshot` (`xmin:xmax:xip,xip`): the transactions that had ended when it was taken. Transaction ids have
 * 64 bits and stay text where only the server compares them.
 */
export interface SnapshotBounds {
  /** Transactions with this id or a higher one were not visible. */
  readonly xmax: string
  /** Transactions below xmax that were still running. */
  readonly running: readonly string[]
}

export function snapshotBounds(snapshot: string): SnapshotBounds {
  const [, xmax = '', running = ''] = snapshot.split(':')
  return { xmax, running: running === '' ? [] : running.split(',') }
}

/** A `pg_snapshot` that is compared in this process. All compared snapshots must be of one history of one database. */
export class Snapshot {
  readonly #xmax: bigint
  readonly #running: ReadonlySet<bigint>

  constructor(text: string) {
    const { xmax, running } = snapshotBounds(text)
    this.#xmax = BigInt(xmax)
    this.#running = new Set(running.map(BigInt))
  }

  /** Whether the transaction had ended. As in Postgres, that includes one that was rolled back. */
  includes(xid: bigint): boolean {
    return xid < this.#xmax && !this.#running.has(xid)
  }

  /** Whether all transactions that `other` includes are included. */
  covers(other: Snapshot): boolean {
    return other.#xmax <= this.#xmax && [...this.#running].every(xid => !other.includes(xid))
  }
}
