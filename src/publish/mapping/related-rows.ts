import type { Model, Models, RecordId } from '../../models/model.ts'
import { backReference } from './members.ts'
import { type Collection, childAttribute } from './memberships.ts'
import { idOf } from './record-id.ts'
import type { RowChange } from './row-change.ts'

/**
 * A look-up that the mapping of a destroyed record needs, as it does no I/O itself: the rows of `model` whose `attribute`
 * still equals `value`, and of each the value of `member`.
 *
 * The rule that keeps a child from being told twice: only rows that *still* point at the destroyed record are looked up.
 * A row that ON DELETE CASCADE or SET NULL (or anybody) has changed no longer does, and has a change of its own to be told
 * by. Where a record with this key exists again (`parent`), nothing dangles and the answer is no rows at all.
 */
export interface RelatedRowsNeed {
  readonly model: Model
  readonly attribute: string
  readonly value: RecordId
  readonly member: string
  /** The destroyed record's model: its primary key must not equal `value` now. */
  readonly parent: Model
  /** Read at most this many; an answer with more to come says `complete: false`. */
  readonly limit: number
  /** The collection of the destroyed record whose members these are. */
  readonly collection: Collection
}

export interface RelatedRows {
  readonly need: RelatedRowsNeed
  /** Values of `need.member`, nulls left out. */
  readonly members: readonly RecordId[]
  readonly complete: boolean
}

const LIMIT = 1000

/** Which rows the caller must look up before {@link recordEvents} can tell everyone; empty for most changes. */
export function relatedRowsNeeds(change: RowChange, models: Models): RelatedRowsNeed[] {
  const { model, old } = change
  if (!old || model.junction || !removesRecord(change)) return []
  const value = idOf(model, old)
  return model.associations.flatMap(association => {
    if (association.type !== 'collection') return []
    const place = placeOfLinks(model, association, models)
    return place ? { ...place, value, parent: model, limit: LIMIT, collection: association } : []
  })
}

/** The attributes by which {@link relatedRowsNeeds} has rows looked up, with the model whose records are destroyed. */
export function referencesLookedUp(models: Models): readonly Reference[] {
  return [...models.values()].flatMap(parent =>
    parent.associations.flatMap(association => {
      if (association.type !== 'collection' || parent.junction) return []
      const place = placeOfLinks(parent, association, models)
      return place ? { model: place.model, attribute: place.attribute, parent } : []
    }),
  )
}

export type Reference = Pick<RelatedRowsNeed, 'model' | 'attribute' | 'parent'>

/** True for a delete, and for an update that gave the row another primary key. */
export function removesRecord({ model, operation, old, new: row }: RowChange): boolean {
  if (operation === 'delete') return true
  return operation === 'update' && !!old && !!row && String(old[model.primaryKey]) !== String(row[model.primaryKey])
}

type Place = Pick<RelatedRowsNeed, 'model' | 'attribute' | 'member'>

/** Where the links of a collection are stored; undefined where nobody at the far end would be told. */
function placeOfLinks(parent: Model, collection: Collection, models: Models): Place | undefined {
  const links = models.get(collection.through ?? collection.collection)
  if (!links || backReference(parent, collection, models) === undefined) return undefined
  if (links.junction) return placeInJunction(links, parent, collection)
  const attribute = collection.via
  const member = collection.through === undefined ? links.primaryKey : childAttribute(links, collection)
  return attribute === undefined || member === undefined ? undefined : { model: links, attribute, member }
}

function placeInJunction(links: Model, parent: Model, collection: Collection): Place | undefined {
  const ends = links.junction?.ends ?? []
  const near = ends.find(end => end.identity === parent.identity && end.alias === collection.alias)
  const far = ends.find(end => end !== near)
  return near && far && { model: links, attribute: near.attribute, member: far.attribute }
}
