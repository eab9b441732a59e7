import type { ModelRecord, RecordId } from '../../models/model.ts'
import type { AddedToEvent, RecordEvent } from '../../publish/mapping/record-event.ts'
import { castId, isRecordId } from '../../publish/mapping/record-id.ts'
import { stepsOf } from '../../publish/socketio/messages.ts'
import { type PubSubContext, presentableChanges, presentableIn } from './context.ts'
import type { PublishOptions, PubSubMethods, RecordOrId } from './methods.ts'
import { reverseEvents } from './reverse-events.ts'
import { omitted } from './rooms.ts'
import { parseSocket } from './sockets.ts'

type PublishMethods = Pick<
  PubSubMethods,
  '_publishCreate' | '_publishUpdate' | '_publishDestroy' | '_publishAdd' | '_publishRemove'
>

/** The publish functions of a model, with messages for the other ends of associations and the app's callbacks. */
export function publishMethods(context: PubSubContext): PublishMethods {
  const { model, models, logger, performer, peer } = context
  const { identity } = model
  const reverse = reverseEvents(model, models)
  const isSilent = () => context.isPublishedByFeed(identity)

  const deliver = (event: RecordEvent, req: unknown, skip?: 'subscribe') => {
    for (const step of stepsOf(event, models)) {
      if (step.do !== skip) void performer.perform(step, { except: omitted(req) })
    }
  }
  /** Calls the other models' own functions, because an app may have overridden them. */
  const publishReverse = (events: RecordEvent[], req: unknown) => {
    for (const event of events) callPeer(peer(event.identity), event, req)
  }
  const misused = (usage: string) => logger.error(`Invalid usage of ${identity}._publish${usage}`)
  const callbacks = (name: string, args: unknown[]) => {
    const self = context.self() as unknown as Record<string, unknown>
    const call = (when: 'before' | 'after') => {
      for (const callback of [self[`_${when}Publish${name}`], self[`${when}Publish${name}`]]) {
        if (typeof callback === 'function') callback.apply(self, args)
      }
    }
    return { before: () => call('before'), after: () => call('after') }
  }

  const publishOne = (record: ModelRecord, req: unknown, noIntroduce: boolean) => {
    const id = record?.[model.primaryKey]
    if (!isRecordId(id)) return misused(`Create(record, [req]): the record has no ${model.primaryKey}`)
    if (isSilent()) return
    const callback = callbacks('Create', [record, req])
    callback.before()
    publishReverse(reverse.created(castId(model, id), record), req)
    const event = {
      verb: 'created',
      identity,
      id,
      record: presentableIn(context, record),
      reverse: [],
    } as const
    deliver(event, req, noIntroduce ? 'subscribe' : undefined)
    callback.after()
  }

  return {
    _publishCreate: (records, req, { noIntroduce = false } = {}) => {
      for (const record of [records].flat()) publishOne(record as ModelRecord, req, noIntroduce)
    },

    _publishUpdate: (rawId, changes, req, options = {}) => {
      if (!isRecordId(rawId)) return misused('Update(id, changes, [req])')
      if (isSilent()) return
      const callback = callbacks('Update', [rawId, changes, req, options])
      callback.before()
      const id = castId(model, rawId)
      const { previous } = options ?? {}
      if (previous && !options.noReverse) publishReverse(reverse.updated(id, changes, previous), req)
      const shown = presentableChanges(context, changes, previous)
      deliver({ verb: 'updated', identity, id, changes: shown, ...before(context, previous) }, req)
      callback.after()
    },

    _publishDestroy: (rawId, req, options = {}) => {
      if (!isRecordId(rawId)) return misused('Destroy(id, [req])')
      if (isSilent()) return
      const callback = callbacks('Destroy', [rawId, req, options])
      callback.before()
      const id = castId(model, rawId)
      const { previous } = options ?? {}
      deliver({ verb: 'destroyed', identity, id, ...before(context, previous) }, req)
      if (previous) publishReverse(reverse.destroyed(id, previous), req)
      callback.after()
    },

    _publishAdd: (rawId, alias, added, req, options = {}) => {
      const member = memberOf(context, alias, added)
      const others =
        member && isRecordId(rawId) ? reverse.moved(castId(model, rawId), alias, member.id, true) : undefined
      if (!member || !others) return misused('Add(id, alias, idAdded|recordAdded, [req])')
      const socket = parseSocket(req)
      if (socket && !options.noReverse) peer(member.identity)?.subscribe(socket, [member.id])
      if (isSilent()) return
      const callback = callbacks('Add', [rawId, alias, member.id, req])
      callback.before()
      const event = { verb: 'addedTo', identity, id: castId(model, rawId), alias, childId: member.id } as const
      deliver(withRecord(event, context, member), req)
      if (!options.noReverse) publishReverse(others, req)
      callback.after()
    },

    _publishRemove: (rawId, alias, removedId, req, options = {}) => {
      const member = isRecordId(removedId) ? memberOf(context, alias, removedId) : undefined
      const others =
        member && isRecordId(rawId) ? reverse.moved(castId(model, rawId), alias, member.id, false) : undefined
      if (!member || !others) return misused('Remove(id, alias, idRemoved, [req])')
      if (isSilent()) return
      const callback = callbacks('Remove', [rawId, alias, member.id, req])
      callback.before()
      deliver({ verb: 'removedFrom', identity, id: castId(model, rawId), alias, childId: member.id }, req)
      if (!options.noReverse) publishReverse(others, req)
      callback.after()
    },
  }
}

const before = (context: PubSubContext, previous: ModelRecord | undefined) =>
  previous ? { previous: presentableIn(context, previous) } : {}

interface Member {
  readonly identity: string
  readonly id: RecordId
  readonly record?: ModelRecord
}

/** The child, passed by id or as a record. Undefined for other values, or if there is no such collection. */
function memberOf({ model, models }: PubSubContext, alias: string, added: RecordOrId): Member | undefined {
  const collection = model.associations.find(each => each.type === 'collection' && each.alias === alias)
  const child = collection?.type === 'collection' ? models.get(collection.collection) : undefined
  if (!child || added === null || added === undefined) return undefined
  const record = typeof added === 'object' ? added : undefined
  const id = record ? record[child.primaryKey] : added
  if (!isRecordId(id)) return undefined
  return { identity: child.identity, id: castId(child, id), ...(record && { record }) }
}

const withRecord = (event: AddedToEvent, context: PubSubContext, { record, identity }: Member): AddedToEvent =>
  record ? { ...event, added: presentableIn(context, record, identity) } : event

function callPeer(model: PubSubMethods | undefined, event: RecordEvent, req: unknown) {
  const options: PublishOptions = { noReverse: true }
  const requester = req as Parameters<PubSubMethods['_publishAdd']>[3]
  if (event.verb === 'updated') model?._publishUpdate(event.id, event.changes, requester, options)
  if (event.verb === 'addedTo') model?._publishAdd(event.id, event.alias, event.childId, requester, options)
  if (event.verb === 'removedFrom') model?._publishRemove(event.id, event.alias, event.childId, requester, options)
}
