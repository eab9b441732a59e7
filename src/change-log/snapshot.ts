/**
 * A `pg_snapshot` as text, `xmin:xmax:xip,xip`: which transactions had ended when it was taken. Transaction ids are
 * 64 bit and stay text: they only travel back to the server, which compares them.
 */
export interface SnapshotBounds {
  /** Every transaction from this id on was not visible. */
  readonly xmax: string
  /** The transactions below xmax that were still running. */
  readonly running: readonly string[]
}

export function snapshotBounds(snapshot: string): SnapshotBounds {
  const [, xmax = '', running = ''] = snapshot.split(':')
  return { xmax, running: running === '' ? [] : running.split(',') }
}
