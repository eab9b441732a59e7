import type { TypeParsers } from '../db/connect.ts'
import { collectionsOf } from './collection.ts'

/**
 * The parsers that `findOne()` uses on this datastore: those of the node-postgres inside sails-postgresql, which need not
 * be the copy that we load. Undefined where the adapter does not show them.
 */
export function adapterTypeParsers(source: object, datastore: string): TypeParsers | undefined {
  const adapters = collectionsOf(source).map(({ _adapter }) => _adapter?.datastores?.[datastore])
  return adapters.find(adapter => adapter?.driver?.pg?.types)?.driver?.pg?.types
}
