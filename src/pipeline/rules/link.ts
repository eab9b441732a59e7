import type { Model, RecordId } from '../../models/model.ts'
import type { RecordEvent } from '../../publish/mapping/record-event.ts'

/** A row of a junction table or `through` model, which associates two records. */
export interface Link {
  /** The model of the link rows. */
  readonly links: Model
  /** Attributes of the link model. */
  readonly parent: string
  readonly child: string
  readonly parentId: RecordId
  readonly childId: RecordId
  /** The collection attribute of the parent. */
  readonly alias: string
}

/** Undefined unless the change is that of a link and the event is its `addedTo` or `removedFrom`. */
export function linkOf(event: RecordEvent, links: Model): Link | undefined {
  if (event.verb !== 'addedTo' && event.verb !== 'removedFrom') return undefined
  const { identity, id: parentId, alias, childId } = event
  const collection = links.linkedCollections.find(each => each.parent === identity && each.alias === alias)
  if (!collection?.childAttribute || collection.oneToMany) return undefined
  const { parentAttribute: parent, childAttribute: child } = collection
  return { links, parent, child, parentId, childId, alias }
}
