import { type Model, type ModelRecord, type Models, pluralAssociations } from '../../models/model.ts'
import { addedTo, memberEvents, removedFrom } from './members.ts'
import { type Membership, memberships, sameMembership } from './memberships.ts'
import type { CreatedEvent, RecordEvent, RefetchEvent, RemovedFromEvent } from './record-event.ts'
import { castId, idOf } from './record-id.ts'
import { type RelatedRows, removesRecord } from './related-rows.ts'
import type { RowChange } from './row-change.ts'

export interface PublishContext {
  readonly models: Models
  /** The results for `relatedRowsNeeds(change, models)`, in the same order. */
  readonly related?: readonly RelatedRows[]
}

/**
 * The events of one row change, in publishing order. Pure.
 *
 * - insert: addedTo on the parents, then created;
 * - update: removedFrom and addedTo for each changed foreign key, then updated. With a changed primary key: destroyed, created;
 * - delete: destroyed, then per association removedFrom on the parents, or the events of children that still reference it;
 * - a row of a generated junction table: only addedTo or removedFrom on each end that has a collection;
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
 * The models whose clients are stale if changes of `model` are missing: the model itself, models whose collections contain
 * its rows or are linked by them, and models whose records reference it. A generated junction has no clients of its own.
 */
export function affectedModels(model: Model, models: Models): string[] {
  const parents = model.linkedCollections.map(({ parent }) => parent).filter(parent => models.has(parent))
  const members = pluralAssociations(model).flatMap(({ inverse, collection }) => (inverse ? collection : []))
  return [...new Set([...(model.junction ? [] : [model.identity]), ...parents, ...members])]
}

const refetch = (identity: string, reason: RefetchEvent['reason']): RefetchEvent => ({
  verb: 'refetch',
  identity,
  reason,
})

/** Other models get `bulk`: their rows still exist, and only their links are deleted. */
function truncatedEvents(model: Model, models: Models): RefetchEvent[] {
  const reasonFor = (identity: string) => (identity === model.identity ? 'truncate' : 'bulk')
  return affectedModels(model, models).map(identity => refetch(identity, reasonFor(identity)))
}

function createdEvents({ model, new: row = {}, record = {} }: RowChange, models: Models): RecordEvent[] {
  const added = memberships(model, row, models)
  const announced = added.filter(membership => isAnnouncedByCreate(membership, record))
  const create: CreatedEvent = {
    verb: 'created',
    identity: model.identity,
    id: idOf(model, row),
    record,
    reverse: announced.map(addedTo),
  }
  return [...added.filter(membership => !announced.includes(membership)).map(addedTo), create]
}

/** `publishCreate` finds parents by the foreign keys in the record, and ignores through models. */
const isAnnouncedByCreate = ({ collection }: Membership, record: ModelRecord) =>
  collection.oneToMany && record[collection.parentAttribute] != null

function updatedEvent(change: RowChange): RecordEvent {
  const { model, new: row = {}, previous } = change
  const id = castId(model, idOf(model, row))
  const event = { verb: 'updated', identity: model.identity, id, changes: changesOf(change) } as const
  return previous ? { ...event, previous } : event
}

/** The id and the changed attributes in public form. Keys that `customToJSON` adds are compared by value. */
function changesOf({ model, changed, record = {}, previous = {} }: RowChange): ModelRecord {
  const isChanged = (key: string) =>
    key === model.primaryKey ||
    (model.attributes.has(key) ? changed.has(key) : JSON.stringify(record[key]) !== JSON.stringify(previous[key]))
  const changes: ModelRecord = {}
  for (const key of Object.keys(record)) if (isChanged(key)) changes[key] = record[key]
  return changes
}

/** removedFrom and addedTo for the memberships that the row gave up and gained, attribute by attribute. */
function membershipEvents({ model, old, new: row }: RowChange, models: Models): RecordEvent[] {
  const before = old ? memberships(model, old, models) : []
  const after = row ? memberships(model, row, models) : []
  const removed = before.filter(membership => !after.some(sameMembership(membership)))
  const added = after.filter(membership => !before.some(sameMembership(membership)))
  return [...new Set([...removed, ...added].map(attributeOf))].flatMap(attribute => [
    ...removed.filter(membership => attributeOf(membership) === attribute).map(removedFrom),
    ...added.filter(membership => attributeOf(membership) === attribute).map(addedTo),
  ])
}

/** The attribute of the row that defines the membership. */
const attributeOf = ({ collection }: Membership) => collection.parentAttribute

/** The `removedFrom` events that follow from the row change alone, without lookups. */
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
      ...left.filter(membership => attributeOf(membership) === alias).map(removedFrom),
      ...related.filter(({ need }) => need.collection.alias === alias).flatMap(rows => leftBehindEvents(rows, models)),
    ]),
  ]
}

/** If there are more members than the lookup limit, their model gets `refetch` instead. */
export function leftBehindEvents({ need, members, complete }: RelatedRows, models: Models): RecordEvent[] {
  if (!complete) return [refetch(need.collection.collection, 'bulk')]
  const id = castId(need.parent, need.value)
  return memberEvents(need.collection, { id, members, joined: false }, models)
}
