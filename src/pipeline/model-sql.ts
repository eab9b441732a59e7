import { type RawBuilder, sql } from 'kysely'
import { ChangefeedError } from '../errors.ts'
import type { Model } from '../models/model.ts'

/** The table of a model, for a raw query. */
export const table = (model: Model): RawBuilder<unknown> => sql.id(model.schema, model.table)

/** The column of an attribute, for a raw query. */
export function column(model: Model, attribute: string): RawBuilder<unknown> {
  const name = model.attributes.get(attribute)?.column
  if (name === undefined) throw new ChangefeedError('E_MODEL', `Model \`${model.identity}\` has no \`${attribute}\`.`)
  return sql.id(name)
}
