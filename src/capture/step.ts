import type { CaptureProblem } from './suitability.ts'

/** What is done about one captured table, or one that is to be captured. */
export interface CaptureStep {
  /** `keep`: it is as it should be. `surplus`: no model asks for it, and it is left alone. */
  readonly action: 'create' | 'replace' | 'drop' | 'keep' | 'surplus'
  readonly identity: string
  /** Quoted and qualified; null when the table is gone. */
  readonly table: string | null
  /** Of our `captured_table`. */
  readonly tableId: number
  readonly reason: string
  /** To be run in one transaction. None for `keep` and `surplus`. */
  readonly statements: readonly string[]
}

/** What the plan has to say of one table. */
export interface PlanPart {
  /** `oid` gives the order: every process that installs takes its locks in the same one. */
  readonly step: (CaptureStep & { readonly oid: number }) | null
  readonly problem: CaptureProblem | null
  readonly warnings: readonly string[]
}

export const inOrder = (parts: readonly PlanPart[]): CaptureStep[] =>
  parts
    .flatMap(({ step }) => step ?? [])
    .sort((a, b) => a.oid - b.oid)
    .map(({ oid: _, ...step }) => step)
