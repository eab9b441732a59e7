import type { Model } from '../../models/model.ts'
import type { RecordEvent, UpdatedEvent } from '../../publish/mapping/record-event.ts'
import type { SailsModel } from '../hook/sails-app.ts'

/**
 * Tells two messages of resourceful pub-sub apart, or that they are two copies of one: model, verb, record, and for
 * members the attribute and the member.
 */
export type MessageKey = string

const VERBS = new Set(['created', 'updated', 'destroyed', 'addedTo', 'removedFrom'])

type ModelOf = (identity: string) => SailsModel | undefined

/** Undefined for a message that is none of a record's changes. */
export function keyOfMessage(event: unknown, payload: unknown, modelOf: ModelOf): MessageKey | undefined {
  if (typeof event !== 'string' || payload === null || typeof payload !== 'object') return undefined
  const { verb, attribute, addedId, removedId } = payload as Record<string, unknown>
  if (typeof verb !== 'string' || !VERBS.has(verb)) return undefined
  const id = idOf(event, payload, modelOf)
  return id === undefined ? undefined : keyOf(event, verb, id, attribute, addedId ?? removedId ?? '')
}

/** Blueprints name the record by `id`. What an app sends by itself may show the record alone. */
function idOf(event: unknown, payload: object, modelOf: ModelOf): unknown {
  const { primaryKey = 'id' } = modelOf(String(event)) ?? {}
  const { id, data, previous } = payload as { id?: unknown; data?: Shown; previous?: Shown }
  return id ?? data?.[primaryKey] ?? previous?.[primaryKey]
}

type Shown = Readonly<Record<string, unknown>> | null

/** The keys of a message: its own, and of an `updated` one a key for each attribute that it holds. */
export function keysOfMessage(event: unknown, payload: unknown, modelOf: ModelOf): MessageKey[] {
  const key = keyOfMessage(event, payload, modelOf)
  if (key === undefined) return []
  const { verb, data } = payload as { verb: string; data?: object }
  const id = idOf(event, payload as object, modelOf)
  const names = verb === 'updated' ? Object.keys(data ?? {}) : []
  return [key, ...names.map(name => keyOf(String(event), 'updated', id, name))]
}

/** The keys of which the message that tells the same has one at least: an update is known by what it changed. */
export function keysOfEvent(event: RecordEvent, model: Model | undefined): MessageKey[] {
  const names = event.verb === 'updated' ? namesOfNews(event, model) : []
  if (event.verb === 'updated' && names.length > 0) {
    return names.map(name => keyOf(event.identity, 'updated', event.id, name))
  }
  return [keyOfEvent(event) ?? []].flat()
}

/** What an update changed besides the times of writing; by attribute and by column, as blueprints go by columns. */
export function namesOfNews({ changes }: UpdatedEvent, model: Model | undefined): string[] {
  const attributes = [...(model?.attributes.values() ?? [])]
  return Object.keys(changes).flatMap(key => {
    const attribute = attributes.find(({ name, column }) => name === key || column === key)
    if (!attribute) return key
    const { name, column, autoTimestamp } = attribute
    return autoTimestamp || name === model?.primaryKey ? [] : [...new Set([name, column])]
  })
}

/** The members that a `created` message shows: as good as `addedTo` messages of their own. */
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

/** Of the message that the event itself stands for. */
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

/** What messages are about whose order matters: an attribute of a record, or a member of one. */
export function subjectOf(key: MessageKey): string {
  const [identity, , ...about] = JSON.parse(key) as unknown[]
  return JSON.stringify([identity, ...about])
}

/** `id` and `member` as clients get them, or not yet cast. */
export function keyOf(
  identity: string,
  verb: string,
  id: unknown,
  attribute: unknown = '',
  member: unknown = '',
): MessageKey {
  return JSON.stringify([identity, verb, String(id), attribute, String(member)])
}
