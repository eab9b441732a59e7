import type { CaptureProblem } from './suitability.ts'

/** A step for one table that is or will be captured. */
export interface CaptureStep {
  /** `keep`: already up to date. `surplus`: no model uses it, and it is kept. */
  readonly action: 'create' | 'replace' | 'drop' | 'keep' | 'surplus'
  readonly identity: string
  /** Quoted and qualified; null if the table was dropped. */
  readonly table: string | null
  /** Id in our `captured_table`. */
  readonly tableId: number
  readonly reason: string
  /** To be run in one transaction. Empty for `keep` and `surplus`. */
  readonly statements: readonly string[]
}

/** The part of the plan for one table. */
export interface PlanPart {
  /** `oid` determines the order, so that all installing processes take locks in the same order. */
  readonly step: (CaptureStep & { readonly oid: number }) | null
  readonly problem: CaptureProblem | null
  readonly warnings: readonly string[]
}

export const inOrder = (parts: readonly PlanPart[]): CaptureStep[] =>
  parts
    .flatMap(({ step }) => step ?? [])
    .sort((a, b) => a.oid - b.oid)
    .map(({ oid: _, ...step }) => step)
