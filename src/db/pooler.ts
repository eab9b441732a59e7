import type { ClientBase } from 'pg'
import { ChangefeedError } from '../errors.ts'

const ROUNDS = 3

/** A connection that can run a statement. */
type Connection = Pick<ClientBase, 'query'>

/**
 * Throws `E_POOLER` if a pooler assigns the statements of a connection to shared sessions, as in transaction mode.
 * `connectAnother` opens a second connection the same way. A pooler is detected when both connections report the same
 * session, or when one connection reports several.
 */
export async function assertDedicatedSession(client: Connection, connectAnother: () => Promise<Probe>): Promise<void> {
  const [own, others] = [new Set<number>(), new Set<number>()]
  const other = await connectAnother().catch(() => null)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      own.add(await sessionOf(client))
      if (other) others.add(await sessionOf(other.client))
    }
  } catch (error) {
    if (own.size === 0) throw error // the second connection may wait for a free pool slot
  } finally {
    await other?.close()
  }
  if (own.size > 1 || [...own].some(session => others.has(session))) throw shared()
}

export interface Probe {
  readonly client: Connection
  close(): Promise<void>
}

async function sessionOf(client: Connection): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

const shared = () =>
  new ChangefeedError(
    'E_POOLER',
    'The connection goes through a pooler in transaction or statement mode (such as PgBouncer with pool_mode = transaction), which does not support LISTEN, session locks or session settings. Set DATABASE_URL, or the option `connectionString`, to the Postgres server itself, or to a pooler in session mode. The app may continue to use its pooler.',
  )
