import type { Model, Models, RecordId } from '../../models/model.ts'
import { childAttribute } from '../../publish/mapping/memberships.ts'
import type { AddedToEvent, RecordEvent, RemovedFromEvent } from '../../publish/mapping/record-event.ts'

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
export function linkOf(event: RecordEvent, links: Model, models: Models): Link | undefined {
  if (event.verb !== 'addedTo' && event.verb !== 'removedFrom') return undefined
  const ends = endsOf(event, links, models)
  return ends && { links, ...ends, parentId: event.id, childId: event.childId, alias: event.alias }
}

function endsOf({ identity, alias }: AddedToEvent | RemovedFromEvent, links: Model, models: Models) {
  const near = links.junction?.ends.find(end => end.identity === identity && end.alias === alias)
  const far = links.junction?.ends.find(end => end !== near)
  if (near && far) return { parent: near.attribute, child: far.attribute }
  const collection = models.get(identity)?.associations.find(association => association.alias === alias)
  if (collection?.type !== 'collection' || collection.through !== links.identity || collection.via === undefined) {
    return undefined
  }
  const child = childAttribute(links, collection)
  return child === undefined ? undefined : { parent: collection.via, child }
}
