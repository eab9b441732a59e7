import { collectionsOf } from './collection.ts'

/** node-postgres' registry of parsers (`pg.types`), asked anew for every value: an app may change it at any time. */
export interface TypeParsers {
  getTypeParser(oid: number): (text: string) => unknown
}

/**
 * The parsers that `findOne()` uses on this datastore: those of the node-postgres inside sails-postgresql, which need not
 * be the copy that we load. Undefined where the adapter does not show them.
 */
export function adapterTypeParsers(source: object, datastore: string): TypeParsers | undefined {
  const adapters = collectionsOf(source).map(({ _adapter }) => _adapter?.datastores?.[datastore])
  return adapters.find(adapter => adapter?.driver?.pg?.types)?.driver?.pg?.types
}
