import type { ModelRecord, RecordId } from '../../models/model.ts'
import type { WithPubSub } from '../pubsub/pubsub.ts'
import { badRequest, Refusal } from '../requests/refusal.ts'

interface Query<Result> extends PromiseLike<Result> {
  populate(alias: string, criteria?: object): Query<Result>
  set(values: ModelRecord): Query<Result>
  fetch(): Query<Result>
}

/** What the routes use of a live Waterline model. */
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
 * Runs a query of a client. What Waterline or the database find wrong with its values is the client's to mend: that is a
 * `Refusal` in words of ours; anything else is passed on.
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
  if (name === 'UsageError') return badRequest('The values do not fit the model.')
  if (code === 'E_UNIQUE') return new Refusal(400, 'E_CONFLICT', 'A record with this value exists already.')
  const sqlstate = typeof raw?.code === 'string' ? raw.code : ''
  return /^2[23]/.test(sqlstate) ? badRequest('The values do not fit the model.') : undefined
}
