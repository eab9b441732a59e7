import { type Position, storedPosition } from '../change-log/position.ts'
import { ChangeLogReader, READER_SETTINGS } from '../change-log/reader.ts'
import { slotSeconds } from '../change-log/retention.ts'
import { type Client, connectClient, cutClient, endClient } from '../db/connect.ts'
import { assertSchemaTrusted } from '../db/schema-trust.ts'
import { type History, type Identity, readIdentity, readState } from '../leader/database-identity.ts'
import { Election } from '../leader/election.ts'
import type { Role } from '../leader/nodes.ts'
import { AbortController } from '../node-globals.ts'
import type { DispatchContext } from '../pipeline/dispatch-context.ts'
import { pauseChannel, tickChannel, wakeChannel } from '../wakeup/channel.ts'
import { FruitlessWakes } from '../wakeup/fruitless-wakes.ts'
import { Notifier } from '../wakeup/notifier.ts'
import type { Mode } from '../wakeup/polling-policy.ts'
import { WakeSignal } from '../wakeup/wake-signal.ts'
import type { FeedContext } from './context.ts'
import { acceptAnyHistory } from './history.ts'
import { LeaderDuties } from './leader-duties.ts'
import { Maintenance } from './maintenance.ts'
import { type Destination, resume, type SessionCheckpoint, TickReader } from './tick-reader.ts'

/** How often a node that does not lead looks for ticks, and campaigns, without a notification. */
const BACKSTOP_MS = 1_000

/**
 * One connected life of a feed: its connections, its locks, its place in the log. Whatever breaks ends it as a whole,
 * and the feed begins another one with the position that this one reached. So no lock, subscription or snapshot of an
 * old connection can meet those of a new one.
 */
export class Session {
  readonly #context: FeedContext
  readonly #wake = new WakeSignal()
  readonly #fruitless = new FruitlessWakes()
  readonly #end = new AbortController()
  readonly #maintenance: Maintenance
  readonly #remembered: SessionCheckpoint | null
  #reader: Client | null = null
  #notifier: Promise<Notifier> | null = null
  #identity: Identity | null = null
  #election: Election | null = null
  #tickReader: TickReader | null = null
  #duties: LeaderDuties | null = null
  /** Set once the leader has followed all ticks that others cut: all that come now are its own. */
  #hasCaughtUp = false
  /** Ends the dispatch of the present page. */
  #dispatch = new AbortController()
  #abandoning = false
  /** Of the present turn. */
  #progress = { changes: 0, publishMs: 0 }

  constructor(context: FeedContext, remembered: SessionCheckpoint | null) {
    this.#context = context
    this.#remembered = remembered
    this.#maintenance = new Maintenance(context, this, this.#lose)
  }

  get position(): Position | null {
    return this.checkpoint?.position ?? null
  }

  /** What the next session goes on from. */
  get checkpoint(): SessionCheckpoint | null {
    if (!this.#tickReader || !this.#identity) return this.#remembered
    return { position: this.#tickReader.position, timeline: this.#identity.timeline }
  }

  get role(): Role {
    if (this.#duties) return 'leader'
    return this.#context.everyNodePublishes ? 'follower' : 'standby'
  }

  get term(): string | null {
    return this.#election?.term ?? null
  }

  get mode(): Mode | null {
    return this.#duties?.mode ?? null
  }

  /** Whether a notification has come back to this node. */
  get listening(): boolean {
    return this.#maintenance.proven
  }

  /** Runs until {@link stop}; rejects when a connection or a lock is lost, or the server is not one to read from. */
  async run(onReady: () => void): Promise<void> {
    try {
      await this.#begin()
      if (!this.#end.signal.aborted) onReady()
      while (!this.#end.signal.aborted) await this.#takeTurn()
    } catch (error) {
      this.#end.abort(error)
    } finally {
      await this.#close()
    }
    if (this.#end.signal.reason !== STOPPED) throw this.#end.signal.reason
  }

  /** Ends the session after the change that is being published; its position is stored and its locks are free then. */
  stop(): void {
    this.#finish(STOPPED)
  }

  /** Reads now rather than at the next wake. */
  hurry(): void {
    this.#wake.ring()
  }

  async #begin() {
    const { connection, node, db } = this.#context
    this.#notifier = this.#listen()
    this.#notifier.catch(() => {}) // it is awaited when the reader is there
    this.#reader = await connectClient(
      { ...connection, applicationName: `${connection.applicationName} reader` },
      this.#lose,
    )
    await assertSchemaTrusted(this.#reader, this.#context.settings)
    this.#identity = await readIdentity(this.#reader)
    await this.#reader.query(READER_SETTINGS)
    await this.#notifier
    this.#election = await Election.of(this.#reader, db, node)
    await this.#campaign()
    await this.#maintenance.start()
  }

  #listen() {
    const { connection, settings, node, pauses } = this.#context
    const heartbeat = Maintenance.heartbeatChannel(node)
    const paused = pauseChannel(settings.schema)
    return Notifier.open(
      { ...connection, applicationName: `${connection.applicationName} listener` },
      [wakeChannel(settings.schema), tickChannel(settings.schema), paused, heartbeat],
      {
        onNotify: channel => {
          this.#maintenance.heard()
          if (channel === heartbeat) return
          if (channel === paused) pauses.look()
          this.#wake.ring()
        },
        onLost: this.#lose,
      },
    )
  }

  async #takeTurn() {
    const woken = await this.#wake.wait(this.#duties?.waitMs ?? BACKSTOP_MS)
    if (this.#end.signal.aborted) return
    const started = performance.now()
    this.#progress = { changes: 0, publishMs: 0 }
    await this.#heedPauses()
    const found = await this.#read()
    const { changes, publishMs } = this.#progress
    const readMs = performance.now() - started - publishMs
    this.#context.events.announce('read', { woken, changes, readMs, publishMs })
    if (this.#duties) {
      if (!found)
        await this.#tickReader?.keepUp(slotSeconds(this.#context.settings.retentionMs) * 1_000, this.#leaderTerm())
      this.#duties.afterRead({ woken, found })
    } else if (!found) await this.#campaign()
    await this.#context.catchUpWaiters.release(() => this.#publishedSnapshot())
    await this.#fruitless.afterRead({ woken, found })
  }

  async #read(): Promise<boolean> {
    if (this.#abandoning) await this.#skipBacklog()
    if (this.#end.signal.aborted) return false
    if (this.#dispatch.signal.aborted) this.#dispatch = new AbortController()
    try {
      return await this.#readTicks()
    } catch (error) {
      if (!this.#abandoning || this.#end.signal.aborted) throw error
      this.hurry()
      return true
    }
  }

  async #readTicks(): Promise<boolean> {
    const tickReader = this.#tickReader
    if (!tickReader) return false
    const dispatchContext = this.#dispatchContext(this.#dispatch.signal)
    await this.#tellGap(tickReader, dispatchContext)
    const destination = this.#destination(tickReader, dispatchContext)
    if (!this.#hasCaughtUp && (await tickReader.follow(destination))) {
      this.#wake.ring() // there may be more ticks, and a leader cuts only behind the last one
      return true
    }
    if (!this.#duties) return false
    this.#hasCaughtUp = true
    return await tickReader.publishNextTick(destination, this.#leaderTerm(), () => this.#maintenance.announceTick())
  }

  #destination(tickReader: TickReader, dispatchContext: DispatchContext): Destination {
    const { dispatcher } = this.#context
    return {
      deliver: async (page, done) => {
        const started = performance.now()
        await this.#heedPauses()
        await dispatcher.deliver(page, done, dispatchContext)
        this.#progress.changes += page.length
        this.#progress.publishMs += performance.now() - started
      },
      completeTick: disordered => dispatcher.completeTick(disordered, tickReader.position, dispatchContext),
    }
  }

  /** Between two pages, so that a pause is heeded within a long backlog too. */
  async #heedPauses() {
    const { pauses, dispatcher } = this.#context
    if (!this.#tickReader || !pauses.due) return
    const resumed = await pauses.refresh()
    if (resumed.length > 0)
      await dispatcher.declareGap('gap', this.#tickReader.position, this.#dispatchContext(), resumed)
    pauses.told()
  }

  #dispatchContext(signal: AbortSignal = this.#end.signal): DispatchContext {
    return { signal, check: this.#checkLease }
  }

  /** A leader that was stopped for a while must not publish what its successor may have published. */
  readonly #checkLease = () => {
    if (this.#duties && !this.#election?.trusted) throw new Error('The lease of the leader has run out.')
  }

  #leaderTerm(): string {
    if (this.term === null) throw new Error('This node does not lead.')
    return this.term
  }

  async #campaign() {
    if (!this.#election) return
    if (!(await this.#election.campaign())) return await this.#follow()
    this.#hasCaughtUp = false
    await this.#findTrack('leader')
    this.#duties = await LeaderDuties.take(this.#context, {
      election: this.#election,
      alarm: this.#wake,
      onLost: this.#lose,
      abandonBacklog: this.#abandonBacklog,
      position: () => this.position,
    })
    this.#context.logger.info('This node leads', { node: this.#context.node })
    this.#context.events.announce('leader', true)
    this.#wake.ring()
  }

  async #follow() {
    if (!this.#context.everyNodePublishes || this.#tickReader || !this.#identity) return
    // Only a leader may put the stored state right when the server has another history than it says.
    if ((await readState(this.#context.db, this.#identity)).history !== 'same') return
    await this.#findTrack('follower')
    this.#wake.ring()
  }

  async #findTrack(as: 'leader' | 'follower') {
    if (!this.#reader || !this.#identity) return
    const { db, settings, everyNodePublishes } = this.#context
    const { history } = await readState(db, this.#identity)
    if (as === 'leader') await this.#accept(this.#identity, history)
    const { epoch } = await readState(db, this.#identity)
    const { timeline } = this.#identity
    const { checkpoint } = this
    const position = await resume(db, { epoch, timeline, checkpoint, leads: as === 'leader', everyNodePublishes })
    this.#tickReader = new TickReader(db, new ChangeLogReader(this.#reader, settings.schema), position)
  }

  async #accept(identity: Identity, history: History) {
    const renew = async () => await this.#election?.renew()
    const parts = { identity, history, term: this.#leaderTerm(), renew, onLost: this.#lose, signal: this.#end.signal }
    await acceptAnyHistory(this.#context, parts)
  }

  /** Before anything that comes after it. Until all have been told the position says so, stored or in memory. */
  async #tellGap(tickReader: TickReader, dispatchContext: DispatchContext) {
    const { gap } = tickReader.position
    if (!gap) return
    await this.#context.dispatcher.declareGap(gap, tickReader.position, dispatchContext)
    tickReader.toldOfGap()
  }

  async #publishedSnapshot(): Promise<string | undefined> {
    const { db } = this.#context
    if (this.#tickReader) return this.#tickReader.position.tick.snapshot
    return (await storedPosition(db, 0))?.tick.snapshot
  }

  readonly #abandonBacklog = () => {
    this.#abandoning = true
    this.#dispatch.abort(new Error('The backlog is given up.'))
    this.#wake.ring()
  }

  async #skipBacklog() {
    this.#abandoning = false
    await this.#tickReader?.skipToNow(this.#leaderTerm())
  }

  /** What hangs on a broken connection is not waited for. */
  readonly #lose = (error: Error) => {
    if (this.#end.signal.aborted) return
    this.#finish(error)
    if (this.#reader) cutClient(this.#reader)
    this.#context.db.renew()
  }

  #finish(reason: unknown) {
    this.#end.abort(reason)
    this.#dispatch.abort(reason)
    this.#wake.ring()
  }

  /** In this order: publish no more, store the position, hand over. A connection that is gone must not keep us. */
  async #close() {
    const led = this.#duties !== null
    const clean = this.#end.signal.reason === STOPPED
    if (clean) await this.#maintenance.leave().catch(() => {})
    this.#maintenance.end()
    await this.#duties?.end()
    if (led && clean) await this.#handOver().catch(() => {})
    await this.#notifier?.then(notifier => notifier.close()).catch(() => {})
    if (this.#reader) await endClient(this.#reader)
    if (led) this.#context.events.announce('leader', false)
    this.#duties = null
  }

  async #handOver() {
    await this.#election?.resign()
    await this.#maintenance.handOver()
  }
}

/** The reason of an end that was asked for. */
const STOPPED = Symbol('stopped')
