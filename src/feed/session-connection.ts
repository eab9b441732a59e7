import { READER_SETTINGS } from '../change-log/reader.ts'
import { type Client, connectClient } from '../db/connect.ts'
import { assertSchemaTrusted } from '../db/schema-trust.ts'
import { type Identity, readIdentity } from '../leader/database-identity.ts'
import { Election } from '../leader/election.ts'
import { Notifier } from '../wakeup/notifier.ts'
import type { FeedContext } from './context.ts'

export interface SessionConnectionParts {
  readonly channels: readonly string[]
  onNotify(channel: string): void
  /** Called once either connection is lost, also while the other one is still being opened. */
  onLost(error: Error): void
  /** An abort cuts both: what waits for a response must not hang. */
  readonly lost: AbortSignal
}

/** The two connections of a session: one reads the change log and holds the lease, the other one listens. */
export class SessionConnection {
  readonly reader: Client
  /** Of the database, as it was when the session began. */
  readonly identity: Identity
  readonly election: Election
  readonly #notifier: Notifier

  private constructor(reader: Client, identity: Identity, election: Election, notifier: Notifier) {
    this.reader = reader
    this.identity = identity
    this.election = election
    this.#notifier = notifier
  }

  /** Opens both side by side. It listens before anything is read. Throws `E_CONNECT` and `E_SCHEMA_OWNER`. */
  static async open(context: FeedContext, parts: SessionConnectionParts): Promise<SessionConnection> {
    const { connection, settings, node, db } = context
    const { channels, onLost, lost } = parts
    let reader: Client | undefined
    const name = connection.applicationName
    const listening = Notifier.open({ ...connection, applicationName: `${name} listener` }, channels, parts, lost)
    listening.catch(() => {}) // awaited below, once the reader is connected
    try {
      reader = await connectClient({ ...connection, applicationName: `${name} reader` }, onLost, lost)
      await assertSchemaTrusted(reader, settings)
      const identity = await readIdentity(reader)
      await reader.query(READER_SETTINGS)
      const notifier = await listening
      const election = await Election.of(reader, db, node)
      return new SessionConnection(reader, identity, election, notifier)
    } catch (error) {
      await closeBoth(listening, reader)
      throw error
    }
  }

  async close(): Promise<void> {
    await closeBoth(Promise.resolve(this.#notifier), this.reader)
  }
}

/** A connection that is already broken must not keep the other one open. */
async function closeBoth(listening: Promise<Notifier>, reader: Client | undefined): Promise<void> {
  await listening.then(notifier => notifier.close()).catch(() => {})
  await reader?.end()
}
