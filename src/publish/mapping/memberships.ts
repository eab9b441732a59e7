import type { Association, Model, ModelRecord, Models, RecordId } from '../../models/model.ts'
import { castId, isRecordId } from './record-id.ts'

/**
 * A membership that a row defines: record `childId` is a member of the collection `alias` of record `id`. A foreign key
 * defines one for its parent, a junction row one for each end that has a collection. `through` is the defining attribute.
 */
export interface Membership {
  readonly identity: string
  readonly id: RecordId
  readonly alias: string
  readonly childId: RecordId
  readonly through: string
}

export type Collection = Extract<Association, { type: 'collection' }>

/**
 * The memberships that a row defines, in a stable order: association by association. In a generated junction table the end
 * whose attribute sorts last comes first, because the row does not show from which side it was written.
 */
export function memberships(model: Model, row: ModelRecord, models: Models): Membership[] {
  const stated = model.junction ? ofJunction(model, row) : ofForeignKeys(model, row, models)
  return stated.filter(isComplete).map(membership => castIds(membership, models))
}

export const sameMembership = (a: Membership) => (b: Membership) =>
  a.identity === b.identity && a.alias === b.alias && a.id === b.id && a.childId === b.childId

/** The collections of all models whose members the rows of `model` define. */
export function statedCollections(model: Model, models: Models): readonly StatedCollection[] {
  const known = found.get(models) ?? new Map<Model, readonly StatedCollection[]>()
  found.set(models, known)
  const collections = known.get(model) ?? findStatedCollections(model, models)
  known.set(model, collections)
  return collections
}

export interface StatedCollection {
  readonly parent: Model
  readonly collection: Collection
}

/** Cache, because it is needed for every change and only depends on the models. */
const found = new WeakMap<Models, Map<Model, readonly StatedCollection[]>>()

function findStatedCollections(model: Model, models: Models): StatedCollection[] {
  const ends = new Set(model.junction?.ends.map(end => `${end.identity} ${end.alias}`))
  return [...models.values()].flatMap(parent =>
    parent.associations
      .filter(association => association.type === 'collection')
      .filter(collection =>
        model.junction
          ? ends.has(`${parent.identity} ${collection.alias}`)
          : (collection.through ?? collection.collection) === model.identity && collection.via !== undefined,
      )
      .map(collection => ({ parent, collection })),
  )
}

/** The attribute of an explicit through model that holds the child, where `collection.via` holds the parent. */
export function childAttribute(through: Model, collection: Collection): string | undefined {
  return through.associations.find(
    end => end.type === 'model' && end.model === collection.collection && end.alias !== collection.via,
  )?.alias
}

type Stated = Omit<Membership, 'id' | 'childId'> & { id: unknown; childId: unknown; child: string }

function ofJunction(model: Model, row: ModelRecord): Stated[] {
  const ends = [...(model.junction?.ends ?? [])].sort((a, b) => (a.attribute < b.attribute ? 1 : -1))
  return ends.flatMap((end, index) => {
    const other = ends[1 - index]
    if (end.alias === undefined || !other) return []
    return {
      identity: end.identity,
      id: row[end.attribute],
      alias: end.alias,
      childId: row[other.attribute],
      child: other.identity,
      through: end.attribute,
    }
  })
}

function ofForeignKeys(model: Model, row: ModelRecord, models: Models): Stated[] {
  const collections = statedCollections(model, models)
  return model.associations.flatMap(foreignKey =>
    collections
      .filter(({ parent, collection }) => foreignKey.type === 'model' && isInverse(foreignKey, parent, collection))
      .map(({ parent, collection }) => {
        const member = collection.through === undefined ? model.primaryKey : childAttribute(model, collection)
        return {
          identity: parent.identity,
          id: row[foreignKey.alias],
          alias: collection.alias,
          childId: member === undefined ? null : row[member],
          child: collection.collection,
          through: foreignKey.alias,
        }
      }),
  )
}

const isInverse = (foreignKey: { alias: string; model: string }, parent: Model, collection: Collection) =>
  foreignKey.model === parent.identity && foreignKey.alias === collection.via

type Complete = Stated & { id: RecordId; childId: RecordId }

const isComplete = (stated: Stated): stated is Complete => isRecordId(stated.id) && isRecordId(stated.childId)

function castIds({ child, ...stated }: Complete, models: Models): Membership {
  return {
    ...stated,
    id: castId(models.get(stated.identity), stated.id),
    childId: castId(models.get(child), stated.childId),
  }
}
