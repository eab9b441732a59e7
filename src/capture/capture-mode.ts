import type { CaptureMode } from './capture-options.ts'
import type { CaptureSource } from './capture-source.ts'

/** The mode that the options ask for, or `row` for a table on which statement triggers would miss or confuse rows. */
export const captureMode = (source: CaptureSource): CaptureMode =>
  wantedMode(source) === 'statement' && statementObstacle(source) === null ? 'statement' : 'row'

/** Why a table whose options ask for `statement` is captured by row; null if it is not. */
export function modeWarning(source: CaptureSource): string | null {
  const obstacle = wantedMode(source) === 'statement' ? statementObstacle(source) : null
  return obstacle && `captured by row although \`capture\` is 'statement': ${obstacle}.`
}

const wantedMode = ({ model, options }: CaptureSource): CaptureMode =>
  options.models.get(model.identity)?.capture ?? options.capture ?? 'row'

function statementObstacle({ model, shape, tree, options }: CaptureSource): string | null {
  const key = model.attributes.get(model.primaryKey)?.column
  if (shape.kind === 'partitioned') return 'statement triggers would miss writes to a later partition'
  if (tree.inherits) return 'statement triggers would miss writes through the table that it belongs to'
  if (tree.inherited) return 'transition tables would contain rows of the tables that inherit from it'
  if (tree.updatedByReferences) return 'a foreign key of it may update a row several times within one statement'
  if (options.enableAlways) return 'logical replication fires row triggers only'
  if (!shape.uniqueKeys.some(columns => columns.length === 1 && columns[0] === key)) return 'its key is not unique'
  return null
}
