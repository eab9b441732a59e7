import type { ModelRecord, RecordId } from '../../models/model.ts'
import type { WithPubSub } from '../pubsub/pubsub.ts'
import { badRequest, Refusal } from '../requests/refusal.ts'

interface Query<Result> extends PromiseLike<Result> {
  populate(alias: string, criteria?: object): Query<Result>
  set(values: ModelRecord): Query<Result>
  fetch(): Query<Result>
}

/** The methods of a live Waterline model that the routes use. */
export interface LiveModel extends WithPubSub {
  find(criteria: object): Query<ModelRecord[]>
  findOne(criteria: object): Query<ModelRecord | undefined>
  create(values: ModelRecord): Query<ModelRecord>
  updateOne(criteria: object): Query<ModelRecord | undefined>
  destroyOne(criteria: object): Query<ModelRecord | undefined>
  addToCollection(id: RecordId, alias: string, members: RecordId[]): Query<void>
  removeFromCollection(id: RecordId, alias: string, members: RecordId[]): Query<void>
  replaceCollection(id: RecordId, alias: string, members: RecordId[]): Query<void>
}

/**
 * Runs a query of a client. If Waterline or the database reject its values, throws a `Refusal`. Other errors are rethrown.
 */
export async function runClientQuery<Result>(query: () => PromiseLike<Result>): Promise<Result> {
  try {
    return await query()
  } catch (error) {
    throw refusalOf(error) ?? error
  }
}

function refusalOf(error: unknown): Refusal | undefined {
  const { name, code, raw } = (error ?? {}) as { name?: string; code?: string; raw?: { code?: unknown } }
  if (name === 'UsageError') return badRequest('The values are not valid for the model.')
  if (code === 'E_UNIQUE') return new Refusal(400, 'E_CONFLICT', 'A record with this unique value already exists.')
  const sqlstate = typeof raw?.code === 'string' ? raw.code : ''
  return /^2[23]/.test(sqlstate) ? badRequest('The values are not valid for the model.') : undefined
}
