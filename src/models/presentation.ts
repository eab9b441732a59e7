import { type ModelRecord, type Models, targetOf } from './model.ts'
import { toPublic } from './public-record.ts'
import { type MayNest, nestedValue } from './visibility.ts'

/**
 * A record as clients may see it, including its populated records: `customToJSON` of each model applied, without what is not
 * visible. A record of an unknown model has no attributes that may leave.
 */
export function presentable(models: Models, identity: string, record: ModelRecord, mayNest: MayNest): ModelRecord {
  const model = models.get(identity)
  if (!model) return {}
  const populated = model.associations.flatMap(association => {
    const value = record[association.alias]
    if (value === null || typeof value !== 'object') return []
    const target = models.get(targetOf(association))
    const formOf = (each: ModelRecord) => presentable(models, targetOf(association), each, mayNest)
    return [[association.alias, nestedValue(value, target, mayNest, formOf)]]
  })
  return toPublic(model, { ...record, ...Object.fromEntries(populated) })
}
