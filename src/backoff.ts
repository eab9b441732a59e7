export interface Backoff {
  readonly firstMs: number
  readonly lastMs: number
}

/** How long to wait before the next attempt, in milliseconds: twice as long after each further failure, up to `lastMs`. */
export const backoffMs = (failures: number, { firstMs, lastMs }: Backoff): number =>
  Math.min(firstMs * 2 ** (failures - 1), lastMs)
