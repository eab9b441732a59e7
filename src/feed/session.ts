import { type Position, storedPosition } from '../change-log/position.ts'
import { ChangeLogReader, READER_SETTINGS } from '../change-log/reader.ts'
import { slotSeconds } from '../change-log/retention.ts'
import { type Client, connectClient, cutClient, endClient } from '../db/connect.ts'
import { assertSchemaTrusted } from '../db/schema-trust.ts'
import { Election } from '../leader/election.ts'
import { type History, type Identity, readIdentity, readState } from '../leader/fences.ts'
import type { Role } from '../leader/nodes.ts'
import { AbortController } from '../node-globals.ts'
import { Alarm } from '../wakeup/alarm.ts'
import { pauseChannel, tickChannel, wakeChannel } from '../wakeup/channel.ts'
import { FruitlessWakes } from '../wakeup/fruitless-wakes.ts'
import { Notifier } from '../wakeup/notifier.ts'
import type { Mode } from '../wakeup/pace.ts'
import type { FeedContext } from './context.ts'
import { acceptAnyHistory } from './history.ts'
import { Housekeeping } from './housekeeping.ts'
import { Lead } from './lead.ts'
import { type Destination, type Memory, resume, Track } from './track.ts'
import type { Turn } from './turn.ts'

/** How often a node that does not lead looks for ticks, and campaigns, without a notification. */
const BACKSTOP_MS = 1_000

/**
 * One connected life of a feed: its connections, its locks, its place in the log. Whatever breaks ends it as a whole,
 * and the feed begins another one with the position that this one reached. So no lock, subscription or snapshot of an
 * old connection can meet those of a new one.
 */
export class Session {
  readonly #context: FeedContext
  readonly #alarm = new Alarm()
  readonly #fruitless = new FruitlessWakes()
  readonly #end = new AbortController()
  readonly #housekeeping: Housekeeping
  readonly #remembered: Memory | null
  #reader: Client | null = null
  #notifier: Promise<Notifier> | null = null
  #identity: Identity | null = null
  #election: Election | null = null
  #track: Track | null = null
  #lead: Lead | null = null
  /** Set once the leader has followed all ticks that others cut: all that come now are its own. */
  #cutsNext = false
  /** Ends what is being delivered. */
  #turn = new AbortController()
  #abandoning = false
  /** Of the present turn. */
  #progress = { changes: 0, publishMs: 0 }

  constructor(context: FeedContext, remembered: Memory | null) {
    this.#context = context
    this.#remembered = remembered
    this.#housekeeping = new Housekeeping(context, this, this.#lose)
  }

  get position(): Position | null {
    return this.memory?.position ?? null
  }

  /** What the next session goes on from. */
  get memory(): Memory | null {
    if (!this.#track || !this.#identity) return this.#remembered
    return { position: this.#track.position, timeline: this.#identity.timeline }
  }

  get role(): Role {
    if (this.#lead) return 'leader'
    return this.#context.everyNodePublishes ? 'follower' : 'standby'
  }

  get term(): string | null {
    return this.#election?.term ?? null
  }

  get mode(): Mode | null {
    return this.#lead?.mode ?? null
  }

  /** Whether a notification has come back to this node. */
  get listening(): boolean {
    return this.#housekeeping.proven
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
    this.#alarm.ring()
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
    await this.#housekeeping.start()
  }

  #listen() {
    const { connection, settings, node, pauses } = this.#context
    const heartbeat = Housekeeping.heartbeatChannel(node)
    const paused = pauseChannel(settings.schema)
    return Notifier.open(
      { ...connection, applicationName: `${connection.applicationName} listener` },
      [wakeChannel(settings.schema), tickChannel(settings.schema), paused, heartbeat],
      {
        onNotify: channel => {
          this.#housekeeping.heard()
          if (channel === heartbeat) return
          if (channel === paused) pauses.look()
          this.#alarm.ring()
        },
        onLost: this.#lose,
      },
    )
  }

  async #takeTurn() {
    const woken = await this.#alarm.wait(this.#lead?.waitMs ?? BACKSTOP_MS)
    if (this.#end.signal.aborted) return
    const started = performance.now()
    this.#progress = { changes: 0, publishMs: 0 }
    await this.#heedPauses()
    const found = await this.#read()
    const { changes, publishMs } = this.#progress
    const readMs = performance.now() - started - publishMs
    this.#context.events.announce('read', { woken, changes, readMs, publishMs })
    if (this.#lead) {
      if (!found) await this.#track?.keepUp(slotSeconds(this.#context.settings.retentionMs) * 1_000, this.#leaderTerm())
      this.#lead.afterRead({ woken, found })
    } else if (!found) await this.#campaign()
    await this.#context.settlement.release(() => this.#publishedSnapshot())
    await this.#fruitless.afterRead({ woken, found })
  }

  async #read(): Promise<boolean> {
    if (this.#abandoning) await this.#skipBacklog()
    if (this.#end.signal.aborted) return false
    if (this.#turn.signal.aborted) this.#turn = new AbortController()
    try {
      return await this.#readTrack()
    } catch (error) {
      if (!this.#abandoning || this.#end.signal.aborted) throw error
      this.hurry()
      return true
    }
  }

  async #readTrack(): Promise<boolean> {
    const track = this.#track
    if (!track) return false
    const turn = this.#deliveryTurn(this.#turn.signal)
    await this.#tellGap(track, turn)
    const destination = this.#destination(track, turn)
    if (!this.#cutsNext && (await track.follow(destination))) {
      this.#alarm.ring() // there may be more ticks, and a leader cuts only behind the last one
      return true
    }
    if (!this.#lead) return false
    this.#cutsNext = true
    return await track.cut(destination, this.#leaderTerm(), () => this.#housekeeping.announceTick())
  }

  #destination(track: Track, turn: Turn): Destination {
    const { delivery } = this.#context
    return {
      deliver: async (page, done) => {
        const started = performance.now()
        await this.#heedPauses()
        await delivery.deliver(page, done, turn)
        this.#progress.changes += page.length
        this.#progress.publishMs += performance.now() - started
      },
      completeTick: disordered => delivery.completeTick(disordered, track.position, turn),
    }
  }

  /** Between two pages, so that a pause is heeded within a long backlog too. */
  async #heedPauses() {
    const { pauses, delivery } = this.#context
    if (!this.#track || !pauses.due) return
    const resumed = await pauses.refresh()
    if (resumed.length > 0) await delivery.declareGap('gap', this.#track.position, this.#deliveryTurn(), resumed)
    pauses.told()
  }

  #deliveryTurn(signal: AbortSignal = this.#end.signal): Turn {
    return { signal, check: this.#checkLease }
  }

  /** A leader that was stopped for a while must not publish what its successor may have published. */
  readonly #checkLease = () => {
    if (this.#lead && !this.#election?.trusted) throw new Error('The lease of the leader has run out.')
  }

  #leaderTerm(): string {
    if (this.term === null) throw new Error('This node does not lead.')
    return this.term
  }

  async #campaign() {
    if (!this.#election) return
    if (!(await this.#election.campaign())) return await this.#follow()
    this.#cutsNext = false
    await this.#findTrack('leader')
    this.#lead = await Lead.take(this.#context, {
      election: this.#election,
      alarm: this.#alarm,
      onLost: this.#lose,
      abandonBacklog: this.#abandonBacklog,
      position: () => this.position,
    })
    this.#context.logger.info('This node leads', { node: this.#context.node })
    this.#context.events.announce('leader', true)
    this.#alarm.ring()
  }

  async #follow() {
    if (!this.#context.everyNodePublishes || this.#track || !this.#identity) return
    // Only a leader may put the stored state right when the server has another history than it says.
    if ((await readState(this.#context.db, this.#identity)).history !== 'same') return
    await this.#findTrack('follower')
    this.#alarm.ring()
  }

  async #findTrack(as: 'leader' | 'follower') {
    if (!this.#reader || !this.#identity) return
    const { db, settings, everyNodePublishes } = this.#context
    const { history } = await readState(db, this.#identity)
    if (as === 'leader') await this.#accept(this.#identity, history)
    const { epoch } = await readState(db, this.#identity)
    const { timeline } = this.#identity
    const { memory } = this
    const position = await resume(db, { epoch, timeline, memory, leads: as === 'leader', everyNodePublishes })
    this.#track = new Track(db, new ChangeLogReader(this.#reader, settings.schema), position)
  }

  async #accept(identity: Identity, history: History) {
    const renew = async () => await this.#election?.renew()
    const parts = { identity, history, term: this.#leaderTerm(), renew, onLost: this.#lose, signal: this.#end.signal }
    await acceptAnyHistory(this.#context, parts)
  }

  /** Before anything that comes after it. Until all have been told the position says so, stored or in memory. */
  async #tellGap(track: Track, turn: Turn) {
    const { gap } = track.position
    if (!gap) return
    await this.#context.delivery.declareGap(gap, track.position, turn)
    track.toldOfGap()
  }

  async #publishedSnapshot(): Promise<string | undefined> {
    const { db } = this.#context
    if (this.#track) return this.#track.position.tick.snapshot
    return (await storedPosition(db, 0))?.tick.snapshot
  }

  readonly #abandonBacklog = () => {
    this.#abandoning = true
    this.#turn.abort(new Error('The backlog is given up.'))
    this.#alarm.ring()
  }

  async #skipBacklog() {
    this.#abandoning = false
    await this.#track?.skipToNow(this.#leaderTerm())
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
    this.#turn.abort(reason)
    this.#alarm.ring()
  }

  /** In this order: publish no more, store the position, hand over. A connection that is gone must not keep us. */
  async #close() {
    const led = this.#lead !== null
    const clean = this.#end.signal.reason === STOPPED
    if (clean) await this.#housekeeping.leave().catch(() => {})
    this.#housekeeping.end()
    await this.#lead?.end()
    if (led && clean) await this.#handOver().catch(() => {})
    await this.#notifier?.then(notifier => notifier.close()).catch(() => {})
    if (this.#reader) await endClient(this.#reader)
    if (led) this.#context.events.announce('leader', false)
    this.#lead = null
  }

  async #handOver() {
    await this.#election?.resign()
    await this.#housekeeping.handOver()
  }
}

/** The reason of an end that was asked for. */
const STOPPED = Symbol('stopped')
