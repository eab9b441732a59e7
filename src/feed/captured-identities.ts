import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import { nearestSentence } from '../models/nearest-names.ts'

/**
 * Resolves names entered by a user to identities of captured models, without duplicates. Throws `E_USAGE` for a model
 * that is not captured.
 */
export async function capturedIdentities({ kysely }: Database, names: readonly string[]): Promise<string[]> {
  const rows = await kysely.selectFrom('captured_table').select('identity').distinct().orderBy('identity').execute()
  const captured = rows.map(({ identity }) => identity)
  const named = [...new Set(names.map(name => name.toLowerCase()))]
  const unknown = named.find(identity => !captured.includes(identity))
  if (unknown === undefined) return named
  throw new ChangefeedError(
    'E_USAGE',
    `No model \`${unknown}\` is captured. ${nearestSentence(unknown, captured, 'captured models')}`,
  )
}
