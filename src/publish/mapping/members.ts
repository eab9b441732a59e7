import type { Collection, Models, RecordId } from '../../models/model.ts'
import type { Membership } from './memberships.ts'
import type { AddedToEvent, RecordEvent, RemovedFromEvent } from './record-event.ts'
import { castId } from './record-id.ts'

/**
 * The events of records that join or leave a collection: `updated` with their foreign key, or `addedTo` and `removedFrom`
 * of their own collection over the same links. Empty for a one-way association.
 */
export function memberEvents(
  collection: Collection,
  change: { readonly id: RecordId; readonly members: readonly RecordId[]; readonly joined: boolean },
  models: Models,
): RecordEvent[] {
  const child = models.get(collection.collection)
  const { inverse } = collection
  if (!child || inverse === undefined) return []
  return change.members.map(member => {
    const of = { identity: child.identity, id: castId(child, member) }
    if (collection.oneToMany) {
      return { verb: 'updated', ...of, changes: { [inverse]: change.joined ? change.id : null } }
    }
    return { verb: change.joined ? 'addedTo' : 'removedFrom', ...of, alias: inverse, childId: change.id }
  })
}

export const addedTo = ({ collection, id, childId }: Membership): AddedToEvent => ({
  verb: 'addedTo',
  identity: collection.parent,
  id,
  alias: collection.alias,
  childId,
})

export const removedFrom = (membership: Membership): RemovedFromEvent => ({
  ...addedTo(membership),
  verb: 'removedFrom',
})
