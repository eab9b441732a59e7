import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import { nearestSentence } from '../models/nearest-names.ts'

/** Identities of captured models by the names that a person gave, each once. Throws `E_USAGE` for one that is not captured. */
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
