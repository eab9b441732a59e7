import type { Operation } from '../../change-log/change.ts'
import type { Model, ModelRecord } from '../../models/model.ts'

/**
 * One row change in the terms of its model: what decode makes of a logged change, and what the mapping to publish
 * calls reads. `old` and `new` are for keys and foreign keys only and never leave the process; what is published comes
 * from `previous` and `record`.
 */
export interface RowChange {
  readonly model: Model
  readonly operation: Operation
  /** Every column attribute before the change, as `findOne` would return it. Update and delete. */
  readonly old?: ModelRecord
  /** Every column attribute after the change. Insert and update. */
  readonly new?: ModelRecord
  /** The public form of `old`: JSON-ready, `customToJSON` applied, hidden, encrypted and redacted attributes gone. */
  readonly previous?: ModelRecord
  /** The public form of `new`. */
  readonly record?: ModelRecord
  /** Attributes whose column differs between `old` and `new`; empty for an update that changed nothing. */
  readonly changed: ReadonlySet<string>
}
