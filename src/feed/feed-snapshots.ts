import { hasChangesBetween, type Position } from '../change-log/position.ts'
import { SharedSnapshots } from '../change-log/shared-snapshots.ts'
import { Snapshot } from '../change-log/snapshot.ts'
import type { Database } from '../db/connect.ts'
import type { Role } from '../leader/nodes.ts'
import type { FeedSnapshot } from '../publish/feed-snapshot.ts'

/** The parts of a session that tell what this node has published. */
interface PublishingSession {
  readonly role: Role
  readonly position: Position | null
}

/** Snapshots of the database that are compared to the position of this node. */
export class FeedSnapshots {
  readonly #db: Database
  readonly #snapshots: SharedSnapshots
  /** Questions that are not answered yet. */
  readonly #asked = new Map<string, Promise<boolean>>()
  /** The running session, if any. */
  readonly #session: () => PublishingSession | null

  constructor(db: Database, session: () => PublishingSession | null) {
    this.#db = db
    this.#snapshots = new SharedSnapshots(db)
    this.#session = session
  }

  /**
   * A snapshot that is taken after this call. Undefined if this node does not publish. It is of use for the present
   * session only: the next one may meet another history of the database, in which transaction ids mean something else.
   */
  async take(): Promise<FeedSnapshot | undefined> {
    const session = this.#session()
    if (!session || session.role === 'standby' || !session.position) return undefined
    const text = await this.#snapshots.take()
    const snapshot = new Snapshot(text)
    const published = () => (this.#session() === session ? session.position?.tick.snapshot : undefined)
    if (published() === undefined) return undefined
    return {
      includes: xid => snapshot.includes(xid),
      get isPublished() {
        const reached = published()
        return reached === undefined || new Snapshot(reached).covers(snapshot)
      },
      hasUnpublishedChanges: async () => {
        const reached = published()
        return reached !== undefined && (await this.#hasChanges(reached, text))
      },
    }
  }

  /** Shared among callers, as many clients have the same snapshot. */
  #hasChanges(reached: string, snapshot: string): Promise<boolean> {
    const key = `${reached} ${snapshot}`
    const answer =
      this.#asked.get(key) ?? hasChangesBetween(this.#db, reached, snapshot).finally(() => this.#asked.delete(key))
    this.#asked.set(key, answer)
    return answer
  }
}
