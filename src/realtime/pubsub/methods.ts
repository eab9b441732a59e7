import type { ModelRecord, RecordId } from '../../models/model.ts'
import type { SocketOrRequest } from './sockets.ts'

/** A record or its id. */
export type RecordOrId = RecordId | ModelRecord

export interface PublishOptions {
  /** The record before the change. If set, the other ends of its associations receive messages as well. */
  readonly previous?: ModelRecord
  /** Publish only to the subscribers of this record. */
  readonly noReverse?: boolean
}

export interface PublishCreateOptions {
  /** Do not subscribe the model's watchers to the new record. */
  readonly noIntroduce?: boolean
}

/** The requesting socket, which receives no message. */
type Requester = SocketOrRequest | false | null | undefined

/** Resourceful pub-sub as in Sails v1. `_publish...` are the functions that blueprints call. */
export interface PubSubMethods {
  /** Sends `data` unchanged to the subscribers of the records. */
  publish(ids: RecordOrId | readonly RecordOrId[], data: unknown, req?: Requester): void
  /** As in v0.12: an event name and the context (`update`, `message`, ...) precede the data. */
  publish(
    ids: RecordOrId | readonly RecordOrId[] | null,
    eventName: string,
    context: string | null,
    data: unknown,
    req?: Requester,
  ): void
  /** Subscribes a socket to records; with contexts, as in v0.12, only to these kinds of messages. */
  subscribe(req: SocketOrRequest, ids: RecordOrId | readonly RecordOrId[], contexts?: Contexts): void
  unsubscribe(req: SocketOrRequest, ids: RecordOrId | readonly RecordOrId[], contexts?: Contexts): void
  /** The room of the subscribers of a record. */
  getRoomName(id: RecordId): string | undefined

  _publishCreate(records: ModelRecord | readonly ModelRecord[], req?: Requester, options?: PublishCreateOptions): void
  _publishUpdate(id: RecordId, changes: ModelRecord, req?: Requester, options?: PublishOptions): void
  _publishDestroy(id: RecordId, req?: Requester, options?: PublishOptions): void
  _publishAdd(id: RecordId, alias: string, added: RecordOrId, req?: Requester, options?: PublishOptions): void
  _publishRemove(id: RecordId, alias: string, removedId: RecordId, req?: Requester, options?: PublishOptions): void
  /** Subscribes a socket to `created` of the model. */
  _watch(req: SocketOrRequest): void
  /** The model's watchers join the room of a record. */
  _introduce(record: RecordOrId): void
  /** All sockets leave the room of a record. */
  _retire(record: RecordOrId): void
  _room(id: RecordId): string | undefined
  _classRoom(): string
}

/** Kinds of messages: `true` and `'*'` mean all, a string means one. */
export type Contexts = true | string | readonly string[]

/** The method names of v0.12. They call the methods of v1, so that overrides of these run. */
export interface LegacyPubSubMethods {
  publishCreate: PubSubMethods['_publishCreate']
  publishUpdate: PubSubMethods['_publishUpdate']
  publishDestroy: PubSubMethods['_publishDestroy']
  publishAdd: PubSubMethods['_publishAdd']
  publishRemove: PubSubMethods['_publishRemove']
  /** Sends `{verb: 'messaged', id, data}` to the subscribers of a record. */
  message(record: RecordOrId, data: unknown, req?: Requester): void
  watch(req: SocketOrRequest): void
  unwatch(req: SocketOrRequest): void
  introduce(record: RecordOrId): void
  retire(record: RecordOrId): void
  /** The room of a record, or of one kind of message about it. */
  room(id: RecordId, context?: string): string | undefined
  classRoom(): string
  /** Ids of the sockets of this server that are subscribed to a record. */
  subscribers(record: RecordOrId, context?: string): string[]
  /** Ids of the sockets of this server that watch the model. */
  watchers(): string[]
  getAllContexts(): string[]
}

/**
 * Callbacks that an app may define on a model. They receive the arguments of the publish function. v0.12 has the same names
 * without underscore.
 */
export interface PublishCallbacks {
  _beforePublishCreate?(record: ModelRecord, req?: Requester): void
  _afterPublishCreate?(record: ModelRecord, req?: Requester): void
  _beforePublishUpdate?(id: RecordId, changes: ModelRecord, req?: Requester, options?: PublishOptions): void
  _afterPublishUpdate?(id: RecordId, changes: ModelRecord, req?: Requester, options?: PublishOptions): void
  _beforePublishDestroy?(id: RecordId, req?: Requester, options?: PublishOptions): void
  _afterPublishDestroy?(id: RecordId, req?: Requester, options?: PublishOptions): void
  _beforePublishAdd?(id: RecordId, alias: string, addedId: RecordId, req?: Requester): void
  _afterPublishAdd?(id: RecordId, alias: string, addedId: RecordId, req?: Requester): void
  _beforePublishRemove?(id: RecordId, alias: string, removedId: RecordId, req?: Requester): void
  _afterPublishRemove?(id: RecordId, alias: string, removedId: RecordId, req?: Requester): void
}
