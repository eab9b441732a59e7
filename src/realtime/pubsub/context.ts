import type { Server } from 'socket.io'
import type { Logger } from '../../logger.ts'
import type { Model, ModelRecord, Models, RecordId } from '../../models/model.ts'
import { presentable } from '../../models/presentation.ts'
import { inMessagesOf } from '../../models/visibility.ts'
import { isRecordId } from '../../publish/mapping/record-id.ts'
import type { StepPerformer } from '../../publish/socketio/step-performer.ts'
import type { PublishCallbacks, PubSubMethods, RecordOrId } from './methods.ts'
import type { Sockets } from './sockets.ts'

/** A live Waterline model with resourceful pub-sub, of this package or of the app. */
export type PubSubModel = PubSubMethods & PublishCallbacks & { readonly autosubscribe?: unknown }

/** Shared by the pub-sub functions of one model. */
export interface PubSubContext {
  readonly model: Model
  readonly models: Models
  readonly io: Server
  readonly sockets: Sockets
  readonly logger: Logger
  readonly performer: StepPerformer
  /** The live model of an identity. Calls between models go through it, so that an app's overrides run. */
  readonly peer: (identity: string) => PubSubModel | undefined
  readonly self: () => PubSubModel
  readonly isPublishedByFeed: (identity: string) => boolean
}

/** Ids as passed by the app, or the ids of the records that it passed. */
export function idsOf(context: PubSubContext, records: RecordOrId | readonly RecordOrId[], what: string): RecordId[] {
  const { model, logger } = context
  const list = Array.isArray(records) ? records : [records]
  if (!Array.isArray(records) || !list.every(isRecordId)) {
    logger.debug(`${model.identity}.${what}() expects an array of ids; using the ids of the passed records`)
  }
  return list.map(record => idOfRecord(model, record))
}

export function idOfRecord(model: Model, record: RecordOrId): RecordId {
  const id: unknown = record !== null && typeof record === 'object' ? record[model.primaryKey] : record
  if (isRecordId(id)) return id
  throw new TypeError(
    `${model.identity}: expected an id, or a record with a ${model.primaryKey}. Some values may have been null or undefined.`,
  )
}

/** A record in a message about a record of this model, as its subscribers may see it. @default identity of this model */
export const presentableIn = ({ model, models }: PubSubContext, record: ModelRecord, identity = model.identity) =>
  presentable(models, identity, record, inMessagesOf(model))

/**
 * Changes as clients may see them. Applies `customToJSON` to the whole record, if it is known, and keeps the changed keys.
 */
export function presentableChanges(context: PubSubContext, changes: ModelRecord, previous?: ModelRecord): ModelRecord {
  const shown = presentableIn(context, { ...previous, ...changes })
  return Object.fromEntries(Object.entries(shown).filter(([key]) => Object.hasOwn(changes, key)))
}
