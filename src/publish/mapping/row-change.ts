import type { Operation } from '../../change-log/change.ts'
import type { Model, ModelRecord } from '../../models/model.ts'

/**
 * One row change in the terms of its model: the output of decoding and the input of {@link recordEvents}. `old` and `new`
 * are only used for keys and foreign keys and never leave the process. Messages contain `previous` and `record`.
 */
export interface RowChange {
  readonly model: Model
  readonly operation: Operation
  /** Every column attribute before the change, as `findOne` would return it. Update and delete. */
  readonly old?: ModelRecord
  /** Every column attribute after the change. Insert and update. */
  readonly new?: ModelRecord
  /** The public form of `old`: JSON-ready, `customToJSON` applied, without hidden, encrypted and redacted attributes. */
  readonly previous?: ModelRecord
  /** The public form of `new`. */
  readonly record?: ModelRecord
  /** Attributes whose column differs between `old` and `new`; empty for an update that changed nothing. */
  readonly changed: ReadonlySet<string>
}
