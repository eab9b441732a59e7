import type { Collection, ForeignKey, Model, ModelRecord, Models, RecordId } from '../../models/model.ts'
import { castId, isRecordId } from './record-id.ts'

/**
 * A membership that a row defines: record `childId` is a member of this collection of record `id`. A foreign key defines
 * one for its parent, a junction row one for each end that has a collection.
 */
export interface Membership {
  readonly collection: Collection
  readonly id: RecordId
  readonly childId: RecordId
}

/**
 * The memberships that a row defines, in a stable order: association by association. In a generated junction table the end
 * whose attribute sorts last comes first, because the row does not show from which side it was written.
 */
export function memberships(model: Model, row: ModelRecord, models: Models): Membership[] {
  return foreignKeysOf(model).flatMap(foreignKey =>
    model.linkedCollections
      .filter(({ parent, parentAttribute }) => parent === foreignKey.model && parentAttribute === foreignKey.alias)
      // Rows of a junction table are published for both ends, even if only one is among the models of the feed.
      .filter(({ parent }) => model.junction || models.has(parent))
      .flatMap(collection => membershipOf(collection, row, models)),
  )
}

export const sameMembership = (a: Membership) => (b: Membership) =>
  a.collection === b.collection && a.id === b.id && a.childId === b.childId

function foreignKeysOf({ associations, junction }: Model): ForeignKey[] {
  const foreignKeys = associations.filter(association => association.type === 'model')
  return junction ? foreignKeys.sort((a, b) => (a.alias < b.alias ? 1 : -1)) : foreignKeys
}

function membershipOf(collection: Collection, row: ModelRecord, models: Models): Membership | [] {
  const id = row[collection.parentAttribute]
  const childId = collection.childAttribute && row[collection.childAttribute]
  if (!isRecordId(id) || !isRecordId(childId)) return []
  const [parent, child] = [models.get(collection.parent), models.get(collection.collection)]
  return { collection, id: castId(parent, id), childId: castId(child, childId) }
}
