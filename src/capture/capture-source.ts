import type { TableShape } from '../db/table-shape.ts'
import type { Model } from '../models/model.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { TableTree } from './installed.ts'

/** What the capture of a model's table is made from. */
export interface CaptureSource {
  readonly model: Model
  readonly shape: TableShape
  readonly tree: TableTree
  /** Columns that the trigger omits. */
  readonly redacted: ReadonlySet<string>
  readonly options: CaptureOptions
}
