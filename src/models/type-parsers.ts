import type { TypeParsers } from '../db/connect.ts'
import { collectionsOf } from './collection.ts'

/**
 * The parsers that `findOne()` uses on this datastore: those of sails-postgresql's copy of node-postgres, which may differ
 * from ours. Undefined if the adapter does not expose them.
 */
export function adapterTypeParsers(source: object, datastore: string): TypeParsers | undefined {
  const adapters = collectionsOf(source).map(({ _adapter }) => _adapter?.datastores?.[datastore])
  return adapters.find(adapter => adapter?.driver?.pg?.types)?.driver?.pg?.types
}
