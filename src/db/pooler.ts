import type { ClientBase } from 'pg'
import { ChangefeedError } from '../errors.ts'

const ROUNDS = 3

/** What runs a statement of ours. */
type Asked = Pick<ClientBase, 'query'>

/**
 * Throws `E_POOLER` if a pooler hands the statements of a connection to sessions that it shares with others, as in
 * transaction mode. `connectAnother`: a second connection by the same way. What both say of their sessions shows it: two
 * connections have the same one, or one has several.
 */
export async function assertOwnSession(client: Asked, connectAnother: () => Promise<Probe>): Promise<void> {
  const [own, others] = [new Set<number>(), new Set<number>()]
  const other = await connectAnother().catch(() => null)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      own.add(await sessionOf(client))
      if (other) others.add(await sessionOf(other.client))
    }
  } catch (error) {
    if (own.size === 0) throw error // the second one may wait for a place in the pool
  } finally {
    await other?.close()
  }
  if (own.size > 1 || [...own].some(session => others.has(session))) throw shared()
}

export interface Probe {
  readonly client: Asked
  close(): Promise<void>
}

async function sessionOf(client: Asked): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

const shared = () =>
  new ChangefeedError(
    'E_POOLER',
    'The connection goes through a pooler in transaction or statement mode (such as PgBouncer with pool_mode = transaction), where neither LISTEN nor locks and settings of a session hold. Let DATABASE_URL, or the option `connectionString`, name the Postgres server itself, or a pooler in session mode. The app may go on using its pooler.',
  )
