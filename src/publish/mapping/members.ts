import type { Model, Models, RecordId } from '../../models/model.ts'
import type { Collection, Membership } from './memberships.ts'
import type { AddedToEvent, RecordEvent, RemovedFromEvent } from './record-event.ts'
import { castId } from './record-id.ts'

/**
 * The events of records that join or leave a collection: `updated` with their foreign key, or `addedTo` and `removedFrom`
 * of their own collection over the same links. Empty for a one-way association.
 */
export function memberEvents(
  parent: Model,
  collection: Collection,
  change: { readonly id: RecordId; readonly members: readonly RecordId[]; readonly joined: boolean },
  models: Models,
): RecordEvent[] {
  const child = models.get(collection.collection)
  const back = backReference(parent, collection, models)
  if (!child || back === undefined) return []
  return change.members.map(member => {
    const of = { identity: child.identity, id: castId(child, member) }
    if (collection.through === undefined) {
      return { verb: 'updated', ...of, changes: { [back]: change.joined ? change.id : null } }
    }
    return { verb: change.joined ? 'addedTo' : 'removedFrom', ...of, alias: back, childId: change.id }
  })
}

/** The inverse attribute of the child: its foreign key, or its collection over the same links. */
export function backReference(parent: Model, collection: Collection, models: Models): string | undefined {
  if (collection.through === undefined) return collection.via
  const ends = models.get(collection.through)?.junction?.ends
  if (ends) return ends.find(end => !(end.identity === parent.identity && end.alias === collection.alias))?.alias
  return models
    .get(collection.collection)
    ?.associations.find(
      back =>
        back.type === 'collection' &&
        back.through === collection.through &&
        back.collection === parent.identity &&
        back.via !== collection.via,
    )?.alias
}

export const addedTo = ({ identity, id, alias, childId }: Membership): AddedToEvent => ({
  verb: 'addedTo',
  identity,
  id,
  alias,
  childId,
})

export const removedFrom = (membership: Membership): RemovedFromEvent => ({
  ...addedTo(membership),
  verb: 'removedFrom',
})
