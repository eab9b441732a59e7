import type { Model } from '../../models/model.ts'
import type { RecordEvent, UpdatedEvent } from '../../publish/mapping/record-event.ts'
import type { SailsModel } from '../hook/sails-app.ts'

/**
 * Identifies a message of resourceful pub-sub: model, verb, record id, and for members the attribute and the member's id.
 * Two messages with equal keys are copies.
 */
export type MessageKey = string

const VERBS = new Set(['created', 'updated', 'destroyed', 'addedTo', 'removedFrom'])

type ModelOf = (identity: string) => SailsModel | undefined

/** Undefined if the message is not about a change of a record. */
export function keyOfMessage(event: unknown, payload: unknown, modelOf: ModelOf): MessageKey | undefined {
  if (typeof event !== 'string' || payload === null || typeof payload !== 'object') return undefined
  const { verb, attribute, addedId, removedId } = payload as Record<string, unknown>
  if (typeof verb !== 'string' || !VERBS.has(verb)) return undefined
  const id = idOf(event, payload, modelOf)
  return id === undefined ? undefined : keyOf(event, verb, id, attribute, addedId ?? removedId ?? '')
}

/** Blueprints set `id`. Messages that an app sends by itself may contain only the record. */
function idOf(event: unknown, payload: object, modelOf: ModelOf): unknown {
  const { primaryKey = 'id' } = modelOf(String(event)) ?? {}
  const { id, data, previous } = payload as { id?: unknown; data?: Shown; previous?: Shown }
  return id ?? data?.[primaryKey] ?? previous?.[primaryKey]
}

type Shown = Readonly<Record<string, unknown>> | null

/** The keys of a message: its own key and, for `updated`, a key for each attribute in it. */
export function keysOfMessage(event: unknown, payload: unknown, modelOf: ModelOf): MessageKey[] {
  const key = keyOfMessage(event, payload, modelOf)
  if (key === undefined) return []
  const { verb, data } = payload as { verb: string; data?: object }
  const id = idOf(event, payload as object, modelOf)
  const names = verb === 'updated' ? Object.keys(data ?? {}) : []
  return [key, ...names.map(name => keyOf(String(event), 'updated', id, name))]
}

/** Keys of this event. A message that shares any of them is a duplicate. An update has a key for each changed attribute. */
export function keysOfEvent(event: RecordEvent, model: Model | undefined): MessageKey[] {
  const names = event.verb === 'updated' ? changedNames(event, model) : []
  if (event.verb === 'updated' && names.length > 0) {
    return names.map(name => keyOf(event.identity, 'updated', event.id, name))
  }
  return [keyOfEvent(event) ?? []].flat()
}

/** Names of what an update changed, except timestamps. Both attribute and column names, because blueprints use columns. */
export function changedNames({ changes }: UpdatedEvent, model: Model | undefined): string[] {
  const attributes = [...(model?.attributes.values() ?? [])]
  return Object.keys(changes).flatMap(key => {
    const attribute = attributes.find(({ name, column }) => name === key || column === key)
    if (!attribute) return key
    const { name, column, autoTimestamp } = attribute
    return autoTimestamp || name === model?.primaryKey ? [] : [...new Set([name, column])]
  })
}

/** Keys of the `addedTo` messages that a `created` message makes redundant, because it contains the members. */
export function keysOfMembersShown(event: unknown, payload: unknown, modelOf: ModelOf): MessageKey[] {
  const { verb, data } = payload as { verb: unknown; data?: Shown }
  if (verb !== 'created' || !data) return []
  const id = idOf(event, payload as object, modelOf)
  const associations = modelOf(String(event))?.associations ?? []
  return associations.flatMap(({ alias, collection = '' }) => {
    const { primaryKey = '' } = modelOf(collection) ?? {}
    const members = Array.isArray(data[alias]) ? data[alias] : []
    return members.map(member => keyOf(String(event), 'addedTo', id, alias, member[primaryKey]))
  })
}

/** The key of the event's own message. */
export function keyOfEvent(event: RecordEvent): MessageKey | undefined {
  switch (event.verb) {
    case 'created':
      return keyOf(event.identity, 'created', event.id)
    case 'updated':
      return keyOf(event.identity, 'updated', event.id)
    case 'destroyed':
      return keyOf(event.identity, 'destroyed', event.id)
    case 'addedTo':
      return keyOf(event.identity, 'addedTo', event.id, event.alias, event.childId)
    case 'removedFrom':
      return keyOf(event.identity, 'removedFrom', event.id, event.alias, event.childId)
    case 'refetch':
      return undefined
  }
}

/** The subject of a message: an attribute or a member of a record. The order of messages about one subject matters. */
export function subjectOf(key: MessageKey): string {
  const [identity, , ...about] = JSON.parse(key) as unknown[]
  return JSON.stringify([identity, ...about])
}

/** `id` and `member` may be cast or uncast, as both become text. */
export function keyOf(
  identity: string,
  verb: string,
  id: unknown,
  attribute: unknown = '',
  member: unknown = '',
): MessageKey {
  return JSON.stringify([identity, verb, String(id), attribute, String(member)])
}
