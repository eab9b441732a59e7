import type { Model, ModelRecord, Models } from '../../models/model.ts'
import { addedTo, memberEvents, removedFrom } from './members.ts'
import { type Membership, memberships, sameMembership, statedCollections } from './memberships.ts'
import type { CreatedEvent, RecordEvent, RefetchEvent, RemovedFromEvent } from './record-event.ts'
import { castId, idOf } from './record-id.ts'
import { type RelatedRows, removesRecord } from './related-rows.ts'
import type { RowChange } from './row-change.ts'

export interface PublishContext {
  readonly models: Models
  /** The answers to `relatedRowsNeeds(change, models)`, in the same order. */
  readonly related?: readonly RelatedRows[]
}

/**
 * The events that one row change stands for, in the order in which they are published. Pure.
 *
 * - insert: addedTo on the parents, then created;
 * - update: per foreign key that changed removedFrom, addedTo; then updated. Another primary key: destroyed + created;
 * - delete: destroyed, then association by association removedFrom on the parents, or news for the children left behind;
 * - a row of a made-up junction: addedTo or removedFrom on each end that has a collection, and nothing else;
 * - truncate: refetch.
 */
export function recordEvents(change: RowChange, context: PublishContext): RecordEvent[] {
  if (change.operation === 'truncate') return truncatedEvents(change.model, context.models)
  if (change.model.junction) return membershipEvents(change, context.models)
  if (change.operation === 'insert') return createdEvents(change, context.models)
  if (removesRecord(change)) {
    const destroyed = destroyedEvents(change, context)
    return change.operation === 'delete' ? destroyed : [...destroyed, ...createdEvents(change, context.models)]
  }
  return [...membershipEvents(change, context.models), updatedEvent(change)]
}

/**
 * The models whose clients are stale when changes of `model` are missing: its own, those whose collections its rows
 * fill, directly or as links, and those whose records refer to it and are notified when a record is destroyed.
 * A made-up junction has no clients of its own.
 */
export function affectedModels(model: Model, models: Models): string[] {
  const parents = statedCollections(model, models).map(({ parent }) => parent.identity)
  const members = model.associations.flatMap(association =>
    association.type === 'collection' && association.via !== undefined ? association.collection : [],
  )
  return [...new Set([...(model.junction ? [] : [model.identity]), ...parents, ...members])]
}

const refetch = (identity: string, reason: RefetchEvent['reason']): RefetchEvent => ({
  verb: 'refetch',
  identity,
  reason,
})

/** The rows of the other models are still there: only what is linked to them is gone. */
function truncatedEvents(model: Model, models: Models): RefetchEvent[] {
  const reasonFor = (identity: string) => (identity === model.identity ? 'truncate' : 'bulk')
  return affectedModels(model, models).map(identity => refetch(identity, reasonFor(identity)))
}

function createdEvents({ model, new: row = {}, record = {} }: RowChange, models: Models): RecordEvent[] {
  const added = memberships(model, row, models)
  const announced = added.filter(membership => isAnnouncedByCreate(membership, model, models, record))
  const create: CreatedEvent = {
    verb: 'created',
    identity: model.identity,
    id: idOf(model, row),
    record,
    reverse: announced.map(addedTo),
  }
  return [...added.filter(membership => !announced.includes(membership)).map(addedTo), create]
}

/** `publishCreate` finds parents through the record that it is given, and knows nothing of through models. */
function isAnnouncedByCreate(
  { identity, alias, through }: Membership,
  model: Model,
  models: Models,
  record: ModelRecord,
) {
  const collection = models.get(identity)?.associations.find(association => association.alias === alias)
  return (
    collection?.type === 'collection' &&
    collection.collection === model.identity &&
    !collection.through &&
    record[through] != null
  )
}

function updatedEvent(change: RowChange): RecordEvent {
  const { model, new: row = {}, previous } = change
  const id = castId(model, idOf(model, row))
  const event = { verb: 'updated', identity: model.identity, id, changes: changesOf(change) } as const
  return previous ? { ...event, previous } : event
}

/** The id and what changed, of what may be seen; values that `customToJSON` made up are compared themselves. */
function changesOf({ model, changed, record = {}, previous = {} }: RowChange): ModelRecord {
  const isNews = (key: string) =>
    key === model.primaryKey ||
    (model.attributes.has(key) ? changed.has(key) : JSON.stringify(record[key]) !== JSON.stringify(previous[key]))
  const changes: ModelRecord = {}
  for (const key of Object.keys(record)) if (isNews(key)) changes[key] = record[key]
  return changes
}

/** removedFrom and addedTo for what the row said before and says no longer, attribute by attribute. */
function membershipEvents({ model, old, new: row }: RowChange, models: Models): RecordEvent[] {
  const before = old ? memberships(model, old, models) : []
  const after = row ? memberships(model, row, models) : []
  const removed = before.filter(membership => !after.some(sameMembership(membership)))
  const added = after.filter(membership => !before.some(sameMembership(membership)))
  return [...new Set([...removed, ...added].map(({ through }) => through))].flatMap(attribute => [
    ...removed.filter(({ through }) => through === attribute).map(removedFrom),
    ...added.filter(({ through }) => through === attribute).map(addedTo),
  ])
}

/** The removedFrom among the events that a row change stands for by itself. */
export function removals(change: RowChange, models: Models): RemovedFromEvent[] {
  const { new: row, ...before } = change
  const isGone = !row || (removesRecord(change) && !change.model.junction)
  return membershipEvents(isGone ? before : change, models).filter(event => event.verb === 'removedFrom')
}

function destroyedEvents(
  { model, old = {}, previous }: RowChange,
  { models, related = [] }: PublishContext,
): RecordEvent[] {
  const id = castId(model, idOf(model, old))
  const destroy = { verb: 'destroyed', identity: model.identity, id } as const
  const left = memberships(model, old, models)
  return [
    previous ? { ...destroy, previous } : destroy,
    ...model.associations.flatMap(({ alias }) => [
      ...left.filter(({ through }) => through === alias).map(removedFrom),
      ...related.filter(({ need }) => need.collection.alias === alias).flatMap(rows => leftBehindEvents(rows, models)),
    ]),
  ]
}

/** Of more members than could be looked up only their model is told. */
export function leftBehindEvents({ need, members, complete }: RelatedRows, models: Models): RecordEvent[] {
  if (!complete) return [refetch(need.collection.collection, 'bulk')]
  const id = castId(need.parent, need.value)
  return memberEvents(need.parent, need.collection, { id, members, joined: false }, models)
}
