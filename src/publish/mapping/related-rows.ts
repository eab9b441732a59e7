import { type Collection, type Model, type Models, pluralAssociations, type RecordId } from '../../models/model.ts'
import { idOf } from './record-id.ts'
import type { RowChange } from './row-change.ts'

/**
 * A lookup that the mapping of a destroyed record needs, because it does no I/O itself: the `member` values of the rows of
 * `model` whose `attribute` still equals `value`.
 *
 * Only rows that *still* reference the destroyed record are looked up, so that a child is notified once. A row that ON
 * DELETE CASCADE, SET NULL or another statement has changed has a change of its own. If a record with this key exists again
 * (`parent`), the result is empty.
 */
export interface RelatedRowsNeed {
  readonly model: Model
  readonly attribute: string
  readonly value: RecordId
  readonly member: string
  /** The destroyed record's model: its primary key must not equal `value` now. */
  readonly parent: Model
  /** Maximum number of rows. If there are more, the result has `complete: false`. */
  readonly limit: number
  /** The collection of the destroyed record whose members these are. */
  readonly collection: Collection
}

export interface RelatedRows {
  readonly need: RelatedRowsNeed
  /** Values of `need.member` without nulls. */
  readonly members: readonly RecordId[]
  readonly complete: boolean
}

const LIMIT = 1000

/** The lookups that {@link recordEvents} needs for this change. Empty for most changes. */
export function relatedRowsNeeds(change: RowChange, models: Models): RelatedRowsNeed[] {
  const { model, old } = change
  if (!old || !removesRecord(change)) return []
  const value = idOf(model, old)
  return pluralAssociations(model).flatMap(collection => {
    const place = placeOfLinks(collection, models)
    return place ? { ...place, value, parent: model, limit: LIMIT, collection } : []
  })
}

/** The attributes that {@link relatedRowsNeeds} looks rows up by, with the model of the destroyed records. */
export function referencesLookedUp(models: Models): readonly Reference[] {
  return [...models.values()].flatMap(parent =>
    pluralAssociations(parent).flatMap(collection => {
      const place = placeOfLinks(collection, models)
      return place ? { model: place.model, attribute: place.attribute, parent } : []
    }),
  )
}

export type Reference = Pick<RelatedRowsNeed, 'model' | 'attribute' | 'parent'>

/** True for a delete, and for an update that changed the primary key. */
export function removesRecord({ model, operation, old, new: row }: RowChange): boolean {
  if (operation === 'delete') return true
  return operation === 'update' && !!old && !!row && String(old[model.primaryKey]) !== String(row[model.primaryKey])
}

type Place = Pick<RelatedRowsNeed, 'model' | 'attribute' | 'member'>

/** Where the links of a collection are stored. Undefined if the far end has no attribute to notify about. */
function placeOfLinks(collection: Collection, models: Models): Place | undefined {
  const { linkModel, parentAttribute, childAttribute, inverse } = collection
  const model = models.get(linkModel)
  if (!model || !models.has(collection.collection) || !childAttribute || !inverse) return undefined
  return { model, attribute: parentAttribute, member: childAttribute }
}
