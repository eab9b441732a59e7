/**
 * A parsed `pg_snapshot` (`xmin:xmax:xip,xip`): the transactions that had ended when it was taken. Transaction ids have
 * 64 bits and stay text, since only the server compares them.
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
