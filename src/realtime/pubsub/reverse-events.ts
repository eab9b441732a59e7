import {
  type Collection,
  type Model,
  type ModelRecord,
  type Models,
  pluralAssociations,
  type RecordId,
} from '../../models/model.ts'
import { addedTo, memberEvents, removedFrom } from '../../publish/mapping/members.ts'
import { memberships, sameMembership } from '../../publish/mapping/memberships.ts'
import type { RecordEvent } from '../../publish/mapping/record-event.ts'
import { isRecordId } from '../../publish/mapping/record-id.ts'

/**
 * The events of the other ends of a record's associations when an app publishes about it. The record may be populated,
 * unlike the feed's rows. Pure.
 */
export interface ReverseCalls {
  created(id: RecordId, record: ModelRecord): RecordEvent[]
  updated(id: RecordId, changes: ModelRecord, previous: ModelRecord): RecordEvent[]
  destroyed(id: RecordId, previous: ModelRecord): RecordEvent[]
  /** A member joined or left the collection `alias`. Undefined if there is no such collection. */
  moved(id: RecordId, alias: string, member: RecordId, joined: boolean): RecordEvent[] | undefined
}

export function reverseEvents(model: Model, models: Models): ReverseCalls {
  const stated = (id: RecordId, record: ModelRecord) => memberships(model, rowOf(model, id, record, models), models)
  const eventsOf = (collection: Collection, id: RecordId, members: RecordId[], joined: boolean) =>
    memberEvents(collection, { id, members, joined }, models)
  const members = (record: ModelRecord, { alias, collection }: Collection) =>
    idsAmong(record[alias], models.get(collection))
  return {
    created(id, record) {
      const joined = pluralAssociations(model).flatMap(each => eventsOf(each, id, members(record, each), true))
      return [...stated(id, record).map(addedTo), ...joined]
    },
    updated(id, changes, previous) {
      const before = stated(id, previous)
      const after = stated(id, { ...previous, ...changes })
      const left = before.filter(each => !after.some(sameMembership(each)))
      const joined = after.filter(each => !before.some(sameMembership(each)))
      const replaced = pluralAssociations(model)
        .filter(({ alias }) => Array.isArray(changes[alias]) && Array.isArray(previous[alias]))
        .flatMap(each => {
          const [old, now] = [members(previous, each), members(changes, each)]
          return [...eventsOf(each, id, missing(old, now), false), ...eventsOf(each, id, missing(now, old), true)]
        })
      return [...left.map(removedFrom), ...joined.map(addedTo), ...replaced]
    },
    destroyed(id, previous) {
      const left = stated(id, previous)
      return model.associations.flatMap(association =>
        association.type === 'model'
          ? left.filter(({ collection }) => collection.parentAttribute === association.alias).map(removedFrom)
          : eventsOf(association, id, members(previous, association), false),
      )
    },
    moved(id, alias, member, joined) {
      const collection = pluralAssociations(model).find(each => each.alias === alias)
      return collection && eventsOf(collection, id, [member], joined)
    },
  }
}

/** The keys and foreign keys of the record, with populated records replaced by their ids. */
function rowOf(model: Model, id: RecordId, record: ModelRecord, models: Models): ModelRecord {
  const foreignKeys = model.associations.flatMap(association =>
    association.type === 'model'
      ? [[association.alias, idAmong(record[association.alias], models.get(association.model))]]
      : [],
  )
  return { ...Object.fromEntries(foreignKeys), [model.primaryKey]: id }
}

function idAmong(value: unknown, of: Model | undefined): RecordId | undefined {
  const id = value !== null && typeof value === 'object' ? (value as ModelRecord)[of?.primaryKey ?? 'id'] : value
  return isRecordId(id) ? id : undefined
}

const idsAmong = (values: unknown, of: Model | undefined): RecordId[] =>
  Array.isArray(values) ? values.map(value => idAmong(value, of)).filter(id => id !== undefined) : []

const missing = (ids: RecordId[], among: RecordId[]) => {
  const there = new Set(among.map(String))
  return ids.filter(id => !there.has(String(id)))
}
