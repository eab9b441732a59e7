import { type ModelRecord, type Models, targetOf } from './model.ts'
import { toPublic } from './public-record.ts'

/** The data needed to present records to clients. */
export interface Presentation {
  readonly models: Models
  readonly redactedColumns: (identity: string) => ReadonlySet<string>
}

/** A record as clients may see it, including its populated records. */
export function presentable(presentation: Presentation, identity: string, record: ModelRecord): ModelRecord {
  const model = presentation.models.get(identity)
  if (!model) return record
  const populated = model.associations.flatMap(association => {
    const value = record[association.alias]
    return isPopulated(value)
      ? [[association.alias, presentableMembers(presentation, targetOf(association), value)]]
      : []
  })
  const redacted = presentation.redactedColumns(identity)
  return toPublic(model, { ...record, ...Object.fromEntries(populated) }, { redacted })
}

const presentableMembers = (presentation: Presentation, identity: string, value: object) =>
  Array.isArray(value)
    ? value.map(each => (isPopulated(each) ? presentable(presentation, identity, each as ModelRecord) : each))
    : presentable(presentation, identity, value as ModelRecord)

const isPopulated = (value: unknown): value is object => value !== null && typeof value === 'object'
