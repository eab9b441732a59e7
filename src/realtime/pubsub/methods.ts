import type { ModelRecord, RecordId } from '../../models/model.ts'
import type { SocketOrRequest } from './sockets.ts'

/** A record or its id. */
export type RecordOrId = RecordId | ModelRecord

export interface PublishOptions {
  /** The record as it was before. With it, the other ends of its associations are told as well. */
  readonly previous?: ModelRecord
  /** Tell nobody but the subscribers of this record. */
  readonly noReverse?: boolean
}

export interface PublishCreateOptions {
  /** Do not subscribe those who watch the model to the new record. */
  readonly noIntroduce?: boolean
}

/** Who asked, and so is left out. */
type Asker = SocketOrRequest | false | null | undefined

/** Resourceful pub-sub as in Sails v1. `_publish...` is what blueprints call; the rest is for everyone. */
export interface PubSubMethods {
  /** Sends `data` as it is to the subscribers of the records. */
  publish(ids: RecordOrId | readonly RecordOrId[], data: unknown, req?: Asker): void
  /** As in v0.12: an event name and the kind of message (`update`, `message`, ...) come before the data. */
  publish(
    ids: RecordOrId | readonly RecordOrId[] | null,
    eventName: string,
    context: string | null,
    data: unknown,
    req?: Asker,
  ): void
  /** Subscribes a socket to records; with contexts, as in v0.12, to these kinds of messages only. */
  subscribe(req: SocketOrRequest, ids: RecordOrId | readonly RecordOrId[], contexts?: Contexts): void
  unsubscribe(req: SocketOrRequest, ids: RecordOrId | readonly RecordOrId[], contexts?: Contexts): void
  /** The room of everyone who is subscribed to a record. */
  getRoomName(id: RecordId): string | undefined

  _publishCreate(records: ModelRecord | readonly ModelRecord[], req?: Asker, options?: PublishCreateOptions): void
  _publishUpdate(id: RecordId, changes: ModelRecord, req?: Asker, options?: PublishOptions): void
  _publishDestroy(id: RecordId, req?: Asker, options?: PublishOptions): void
  _publishAdd(id: RecordId, alias: string, added: RecordOrId, req?: Asker, options?: PublishOptions): void
  _publishRemove(id: RecordId, alias: string, removedId: RecordId, req?: Asker, options?: PublishOptions): void
  /** Subscribes a socket to news of records that do not exist yet. */
  _watch(req: SocketOrRequest): void
  /** Those who watch the model join the room of a record. */
  _introduce(record: RecordOrId): void
  /** Everyone leaves the room of a record. */
  _retire(record: RecordOrId): void
  _room(id: RecordId): string | undefined
  _classRoom(): string
}

/** Kinds of messages: `true` and `'*'` mean all, text means one. */
export type Contexts = true | string | readonly string[]

/** The names of v0.12. They do what their namesakes above do, and call them, so that an override is heard. */
export interface LegacyPubSubMethods {
  publishCreate: PubSubMethods['_publishCreate']
  publishUpdate: PubSubMethods['_publishUpdate']
  publishDestroy: PubSubMethods['_publishDestroy']
  publishAdd: PubSubMethods['_publishAdd']
  publishRemove: PubSubMethods['_publishRemove']
  /** Sends `{verb: 'messaged', id, data}` to the subscribers of a record. */
  message(record: RecordOrId, data: unknown, req?: Asker): void
  watch(req: SocketOrRequest): void
  unwatch(req: SocketOrRequest): void
  introduce(record: RecordOrId): void
  retire(record: RecordOrId): void
  /** The room of a record, or that of one kind of message about it. */
  room(id: RecordId, context?: string): string | undefined
  classRoom(): string
  /** Ids of the sockets of this server that are subscribed to a record. */
  subscribers(record: RecordOrId, context?: string): string[]
  /** Ids of the sockets of this server that watch the model. */
  watchers(): string[]
  getAllContexts(): string[]
}

/**
 * What an app may define on a model to take part: each is called with the arguments of the publish function. v0.12 has the
 * same without underscore.
 */
export interface PublishCallbacks {
  _beforePublishCreate?(record: ModelRecord, req?: Asker): void
  _afterPublishCreate?(record: ModelRecord, req?: Asker): void
  _beforePublishUpdate?(id: RecordId, changes: ModelRecord, req?: Asker, options?: PublishOptions): void
  _afterPublishUpdate?(id: RecordId, changes: ModelRecord, req?: Asker, options?: PublishOptions): void
  _beforePublishDestroy?(id: RecordId, req?: Asker, options?: PublishOptions): void
  _afterPublishDestroy?(id: RecordId, req?: Asker, options?: PublishOptions): void
  _beforePublishAdd?(id: RecordId, alias: string, addedId: RecordId, req?: Asker): void
  _afterPublishAdd?(id: RecordId, alias: string, addedId: RecordId, req?: Asker): void
  _beforePublishRemove?(id: RecordId, alias: string, removedId: RecordId, req?: Asker): void
  _afterPublishRemove?(id: RecordId, alias: string, removedId: RecordId, req?: Asker): void
}
