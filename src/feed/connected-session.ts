import { type Position, storedPosition } from '../change-log/position.ts'
import { ChangeLogReader } from '../change-log/reader.ts'
import { idleTickMs } from '../change-log/retention.ts'
import { readState } from '../leader/database-identity.ts'
import { AbortController } from '../node-globals.ts'
import type { DispatchContext } from '../pipeline/dispatch-context.ts'
import { FruitlessWakes } from '../wakeup/fruitless-wakes.ts'
import type { WakeSignal } from '../wakeup/wake-signal.ts'
import type { FeedContext } from './context.ts'
import { acceptAnyHistory } from './history.ts'
import { LeaderDuties } from './leader-duties.ts'
import type { Maintenance } from './maintenance.ts'
import type { SessionConnection } from './session-connection.ts'
import { type Leader, type SessionRole, ticksOf } from './session-role.ts'
import { type Destination, resume, type SessionCheckpoint, TickReader } from './tick-reader.ts'

/** How often a node that does not lead looks for ticks, and campaigns, without a notification. */
const BACKSTOP_MS = 1_000

export interface ConnectedSessionParts {
  readonly context: FeedContext
  readonly connection: SessionConnection
  readonly maintenance: Maintenance
  readonly wake: WakeSignal
  /** Where an earlier session of this process got to. */
  readonly remembered: SessionCheckpoint | null
  /** Ends the session. */
  readonly signal: AbortSignal
  /** A connection is lost. */
  readonly lost: AbortSignal
  onLost(error: Error): void
}

/** A session whose connections are open: it campaigns, follows or leads, and publishes turn by turn. */
export class ConnectedSession {
  readonly #parts: ConnectedSessionParts
  readonly #context: FeedContext
  readonly #fruitless = new FruitlessWakes()
  #role: SessionRole = { name: 'waiting' }
  /** Ends the dispatch of the present page. */
  #dispatch = new AbortController()
  #isAbandoningBacklog = false
  /** Whose events the memory for returning sockets holds. */
  #observed: TickReader | null = null
  /** Of the present turn. */
  #progress = { changes: 0, publishMs: 0 }

  constructor(parts: ConnectedSessionParts) {
    this.#parts = parts
    this.#context = parts.context
  }

  get role(): SessionRole {
    return this.#role
  }

  /** Of the lease, from the election on; null while this node does not lead. */
  get term(): string | null {
    return this.#parts.connection.election.term
  }

  /** Where the next session goes on. */
  get checkpoint(): SessionCheckpoint | null {
    const ticks = ticksOf(this.#role)
    const { connection, remembered } = this.#parts
    if (!ticks) return remembered
    return { position: ticks.position, published: ticks.published, timeline: connection.identity.timeline }
  }

  /** Leads where no other node does; otherwise follows where every node publishes. */
  async campaign(): Promise<void> {
    const { election } = this.#parts.connection
    if (!(await election.campaign())) return await this.#follow()
    const term = election.term ?? ''
    await this.#acceptHistory(term)
    const ticks = await this.#tickReader('leader')
    this.#role = {
      name: 'leader',
      ticks,
      term,
      hasCaughtUp: false,
      duties: await this.#takeDuties(() => ticks.position),
    }
    this.#observe(ticks)
    this.#context.logger.info('This node leads', { node: this.#context.node })
    this.#context.events.announce('leader', true)
    this.#parts.wake.ring()
  }

  /** Waits for a wake, reads and publishes what there is, and campaigns where there is nothing. */
  async takeTurn(): Promise<void> {
    const { wake, signal } = this.#parts
    const wakes = await wake.wait(this.#role.name === 'leader' ? this.#role.duties.waitMs : BACKSTOP_MS)
    const woken = wakes > 0
    if (signal.aborted) return
    const started = performance.now()
    this.#progress = { changes: 0, publishMs: 0 }
    await this.#applyPauses()
    const found = await this.#read()
    if (!found) await this.#declareAltered()
    const ticks = ticksOf(this.#role)
    if (ticks) this.#observe(ticks)
    const { changes, publishMs } = this.#progress
    const readMs = performance.now() - started - publishMs
    this.#context.events.announce('read', { woken, changes, readMs, publishMs })
    if (this.#role.name === 'leader') await this.#afterRead(this.#role, { wakes, found })
    else if (!found) await this.campaign()
    await this.#context.catchUpWaiters.release(() => this.#publishedSnapshot())
    await this.#fruitless.afterRead({ woken, found })
  }

  /** Ends the dispatch of the present page. */
  abort(reason: unknown): void {
    this.#dispatch.abort(reason)
  }

  /** Closes the connections; a leader that ends in order (`clean`) lets another node lead at once. */
  async close({ clean }: { readonly clean: boolean }): Promise<void> {
    const [role, { connection, maintenance }] = [this.#role, this.#parts]
    this.#context.publishing.stop()
    if (role.name === 'leader') await role.duties.end()
    if (role.name === 'leader' && clean) {
      await connection.election
        .resign()
        .then(() => maintenance.handOver())
        .catch(() => {})
    }
    await connection.close()
    if (role.name === 'leader') this.#context.events.announce('leader', false)
  }

  async #afterRead({ ticks, duties, term }: Leader, read: { readonly wakes: number; readonly found: boolean }) {
    if (!read.found) await ticks.advanceIdle(idleTickMs(this.#context.settings.retentionMs), term)
    duties.afterRead(read)
  }

  async #read(): Promise<boolean> {
    if (this.#isAbandoningBacklog) await this.#skipBacklog()
    if (this.#parts.signal.aborted) return false
    if (this.#dispatch.signal.aborted) this.#dispatch = new AbortController()
    try {
      return await this.#readTicks()
    } catch (error) {
      if (!this.#isAbandoningBacklog || this.#parts.signal.aborted) throw error
      this.#parts.wake.ring()
      return true
    }
  }

  async #readTicks(): Promise<boolean> {
    const role = this.#role
    if (role.name === 'waiting') return false
    const dispatchContext = this.#dispatchContext(this.#dispatch.signal)
    await this.#declareGap(role.ticks, dispatchContext)
    const destination = this.#destination(role.ticks, dispatchContext)
    const isBehind = role.name === 'follower' || !role.hasCaughtUp
    if (isBehind && (await role.ticks.follow(destination))) {
      this.#parts.wake.ring() // there may be more ticks, and a leader cuts only after the last one
      return true
    }
    if (role.name === 'follower') return false
    role.hasCaughtUp = true
    return await role.ticks.publishNextTick(destination, role.term, () => this.#parts.maintenance.announceTick())
  }

  #destination(ticks: TickReader, dispatchContext: DispatchContext): Destination {
    const { dispatcher } = this.#context
    return {
      deliver: async (page, done) => {
        const started = performance.now()
        await this.#applyPauses()
        await dispatcher.deliver(page, done, dispatchContext)
        this.#progress.changes += page.length
        this.#progress.publishMs += performance.now() - started
      },
      completeTick: disordered => dispatcher.completeTick(disordered, ticks.position, dispatchContext),
    }
  }

  /** Between two pages, so that a pause takes effect within a long backlog too. */
  async #applyPauses() {
    const { pauses, dispatcher } = this.#context
    const ticks = ticksOf(this.#role)
    if (!ticks || !pauses.due) return
    const resumed = await pauses.refresh()
    if (resumed.length > 0) await dispatcher.declareGap('gap', ticks.position, this.#dispatchContext(), resumed)
    pauses.markNotified()
  }

  /** While nothing is published; otherwise it follows the page. */
  async #declareAltered() {
    const ticks = ticksOf(this.#role)
    if (ticks) await this.#context.dispatcher.declareAltered(ticks.position, this.#dispatchContext())
  }

  #dispatchContext(signal: AbortSignal = this.#parts.signal): DispatchContext {
    return { signal, check: this.#checkLease }
  }

  /** A leader that was stopped for a while must not publish what its successor may have published. */
  readonly #checkLease = () => {
    const isLeader = this.#role.name === 'leader'
    if (isLeader && !this.#parts.connection.election.trusted) throw new Error('The lease of the leader has run out.')
  }

  async #follow() {
    const { fanOut, db } = this.#context
    if (fanOut === 'cluster' || this.#role.name !== 'waiting') return
    // Only a leader may correct the stored state when the server has another history than it says.
    if ((await readState(db, this.#parts.connection.identity)).history !== 'same') return
    const ticks = await this.#tickReader('follower')
    this.#role = { name: 'follower', ticks }
    this.#observe(ticks)
    this.#parts.wake.ring()
  }

  async #tickReader(as: 'leader' | 'follower'): Promise<TickReader> {
    const { db, settings, fanOut } = this.#context
    const { identity, reader } = this.#parts.connection
    const { epoch } = await readState(db, identity)
    const { timeline } = identity
    const { checkpoint } = this
    const resumed = await resume(db, { epoch, timeline, checkpoint, leads: as === 'leader', fanOut })
    return new TickReader(db, new ChangeLogReader(reader, settings.schema), resumed)
  }

  /**
   * What follows is published by this node, and all of it. Another node may have published before a leader that publishes for
   * all, so messages in memory are dropped then, and changes that were published before must have passed.
   */
  #observe(ticks: TickReader) {
    const { fanOut, publishing } = this.#context
    if (this.#observed === ticks || (fanOut === 'cluster' && ticks.published.expectsAgain)) return
    this.#observed = ticks
    publishing.begin(ticks.position)
  }

  async #acceptHistory(term: string) {
    const { connection, onLost, signal } = this.#parts
    const { identity, election } = connection
    const { history } = await readState(this.#context.db, identity)
    const renew = async () => await election.renew()
    await acceptAnyHistory(this.#context, { identity, history, term, renew, onLost, signal })
  }

  async #takeDuties(position: () => Position): Promise<LeaderDuties> {
    const { connection, wake, onLost, lost } = this.#parts
    const { election } = connection
    return await LeaderDuties.take(this.#context, {
      election,
      wake,
      onLost,
      lost,
      abandonBacklog: this.#abandonBacklog,
      position,
    })
  }

  /** Before any change that follows the gap. Until all clients are notified, the position keeps the gap. */
  async #declareGap(ticks: TickReader, dispatchContext: DispatchContext) {
    const { gap } = ticks.position
    if (!gap) return
    await this.#context.dispatcher.declareGap(gap, ticks.position, dispatchContext)
    ticks.gapDeclared()
  }

  async #publishedSnapshot(): Promise<string | undefined> {
    const ticks = ticksOf(this.#role)
    return ticks ? ticks.position.tick.snapshot : (await storedPosition(this.#context.db, 0))?.tick.snapshot
  }

  readonly #abandonBacklog = () => {
    this.#isAbandoningBacklog = true
    this.#dispatch.abort(new Error('The backlog is given up.'))
    this.#parts.wake.ring()
  }

  async #skipBacklog() {
    this.#isAbandoningBacklog = false
    if (this.#role.name === 'leader') await this.#role.ticks.skipToNow(this.#role.term)
  }
}
