import { HourlyCount } from '../hourly-count.ts'

/** How the catch-ups of the last hour ended on a node: complete, with the reason of a gap, or why they failed. */
export type CatchUpCounts = Readonly<Record<string, number>>

/** Counts how catch-ups end. */
export class CatchUpOutcomes {
  readonly #counts = new Map<string, HourlyCount>()

  note(outcome: string): void {
    const count = this.#counts.get(outcome) ?? new HourlyCount()
    count.add(Date.now())
    this.#counts.set(outcome, count)
  }

  /** Of the last hour, without those that did not occur. */
  recent(): CatchUpCounts {
    const now = Date.now()
    const totals = [...this.#counts].map(([outcome, count]) => [outcome, count.total(now)] as const)
    return Object.fromEntries(totals.filter(([, total]) => total > 0))
  }
}
