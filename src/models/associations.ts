import type { WaterlineCollection } from './collection.ts'
import type { Association, Collection } from './model.ts'

type Collections = ReadonlyMap<string, WaterlineCollection>

/** Reads `attributes`, because Waterline rewrites `collection` and `through` in `schema`. */
export function readAssociations(model: WaterlineCollection, collections: Collections): Association[] {
  return Object.entries(model.attributes).flatMap(([alias, written]): Association[] => {
    if (written.model) return [{ type: 'model', alias, model: written.model.toLowerCase() }]
    return written.collection ? [resolveCollection(model, alias, collections)] : []
  })
}

/** Waterline stores in `schema` which model holds the links, and their column that references the parent. */
function resolveCollection(parent: WaterlineCollection, alias: string, collections: Collections): Collection {
  const { collection = '', through } = parent.attributes[alias] ?? {}
  const { referenceIdentity: linkModel = '', on = '' } = parent.schema[alias] ?? {}
  const child = collections.get(collection.toLowerCase())
  const links = collections.get(linkModel)
  const oneToMany = links === child && through === undefined
  const parentAttribute = attributeOf(links, on)
  const childAttribute = oneToMany ? child?.primaryKey : otherForeignKey(links, parentAttribute, child)
  const inverse = oneToMany ? parentAttribute : collectionOver(links, childAttribute, child)
  return {
    type: 'collection',
    parent: parent.identity,
    alias,
    collection: collection.toLowerCase(),
    oneToMany,
    linkModel,
    parentAttribute,
    ...(childAttribute && { childAttribute }),
    ...(inverse && { inverse }),
  }
}

type Links = WaterlineCollection | undefined

const attributeOf = (links: Links, column = '') =>
  Object.entries(links?.schema ?? {}).find(([name, { columnName }]) => (columnName ?? name) === column)?.[0] ?? column

const otherForeignKey = (links: Links, attribute: string, child?: WaterlineCollection) =>
  Object.entries(links?.attributes ?? {}).find(
    ([name, { model }]) => model?.toLowerCase() === child?.identity && name !== attribute,
  )?.[0]

/** The collection of `parent` whose links reference it by this attribute. */
const collectionOver = (links: Links, attribute?: string, parent?: WaterlineCollection) =>
  Object.entries(parent?.schema ?? {}).find(
    ([, { collection, referenceIdentity, on }]) =>
      collection && referenceIdentity === links?.identity && attributeOf(links, on) === attribute,
  )?.[0]
