import type { Socket } from 'socket.io'
import { type Cursor, compareCursors, parseCursor } from '../change-log/cursor.ts'
import { cursorOf } from '../change-log/position.ts'
import { asError, ChangefeedError } from '../errors.ts'
import type { CatchUpFailedEvent } from '../pipeline/events.ts'
import { EncodedMessages } from '../publish/socketio/encoded-messages.ts'
import { type Held, LiveHold } from '../publish/socketio/live-hold.ts'
import { SharedSlices } from '../publish/time-slice.ts'
import { Checkpoints } from './checkpoints.ts'
import type { GapReason, ReplayGap } from './log-ranges.ts'
import { disconnected, type Place, Returning, type ReturningParts, TooMany } from './returning.ts'
import { Turns } from './turns.ts'

/** How long a socket waits for its turn, in milliseconds. The client of this package waits 20 s for an answer. */
const WAIT_MS = 15_000

/** A request of a socket for what it missed. */
export interface CatchUpRequest {
  /** Of the last message or answer that the client received. Without it: everything since the connection. */
  readonly cursor?: string | undefined
  /** Also what has this cursor, for a client that drops what it has received already. @default false */
  readonly inclusive?: boolean
}

/** What a client received. */
export interface CaughtUp {
  /** Everything up to it was sent. */
  readonly cursor: string
  /** Number of messages that were sent again. */
  readonly replayed: number
  /** Models of which messages are missing: their records must be read again. */
  readonly gaps?: readonly ReplayGap[]
}

export interface CatchUpsParts extends Omit<ReturningParts, 'slices' | 'encoded'> {
  /** Of the last published change, on any node. */
  readonly cursor: () => Promise<string>
  /** Called with the outcome of each catch-up. */
  readonly onCaughtUp: (outcome: CaughtUp) => void
  readonly onFailed: (failed: CatchUpFailedEvent) => void
}

/**
 * Lets sockets that return receive what they missed, from memory where this node sent it, otherwise from the change log.
 *
 * The socket is held: it receives no live messages of the feed until it has received the earlier ones. A node that does not
 * publish cannot know which live messages have passed, so there the socket receives them at the same time, and what arrives
 * twice has the same cursor.
 */
export class CatchUps {
  readonly #parts: CatchUpsParts & ReturningParts
  readonly #checkpoints: Checkpoints
  readonly #turns: Turns
  readonly #underway = new WeakSet<Socket>()

  constructor(parts: CatchUpsParts) {
    this.#parts = { ...parts, slices: new SharedSlices(), encoded: new EncodedMessages() }
    this.#turns = new Turns(parts.settings.concurrentClients, WAIT_MS)
    this.#checkpoints = new Checkpoints(parts.cursor)
  }

  /** Size of the recent messages in memory. */
  get recentBytes(): number {
    return this.#parts.recent.bytes
  }

  /**
   * Sends what the socket missed in the rooms that it is in, then `caughtUp`. Throws `E_USAGE` for a malformed cursor and
   * while the socket is catching up already, `E_FORBIDDEN` if the policy refuses, `E_DISCONNECTED` if the socket was
   * disconnected meanwhile, and errors of Postgres.
   */
  async run(socket: Socket, request: CatchUpRequest): Promise<CaughtUp> {
    try {
      return await this.#run(socket, request)
    } catch (error) {
      this.#parts.onFailed({ outcome: outcomeOf(error), error: asError(error) })
      throw error
    }
  }

  async #run(socket: Socket, request: CatchUpRequest): Promise<CaughtUp> {
    if (!socket.connected) throw disconnected()
    if (this.#underway.has(socket)) throw new ChangefeedError('E_USAGE', 'This socket is catching up already.')
    this.#underway.add(socket)
    const hold = LiveHold.of(socket.nsp.server)
    const held = hold.hold(socket)
    const returning = new Returning(socket, hold, this.#parts)
    try {
      if (held.hasExpired) return await this.#giveUp(returning, 'expired') // it may have missed anything
      const after = request.cursor === undefined ? undefined : parseCursor(request.cursor)
      const permission = (await this.#parts.settings.policy?.(socket)) ?? true
      if (permission === false) throw new ChangefeedError('E_FORBIDDEN', 'This socket may not catch up.')
      if (permission !== true) returning.allowOnly(permission)
      if (!(await this.#turns.take())) return await this.#giveUp(returning, 'tooMany')
      try {
        return await this.#catchUp(returning, { after, held, ...request })
      } finally {
        this.#turns.end()
      }
    } finally {
      hold.release(socket)
      this.#underway.delete(socket)
    }
  }

  async close(): Promise<void> {
    this.#checkpoints.end()
    await this.#parts.ranges.close()
  }

  /** Sends nothing but a gap, and the cursor of what follows. */
  async #giveUp(returning: Returning, reason: GapReason): Promise<CaughtUp> {
    returning.release()
    returning.missAll(reason)
    return await this.#finish(returning)
  }

  async #catchUp(returning: Returning, start: Start): Promise<CaughtUp> {
    const { recent } = this.#parts
    try {
      if (recent.isRecording) await this.#fromMemory(returning, start)
      else await this.#fromLog(returning, start)
    } catch (error) {
      if (!(error instanceof TooMany)) throw error
      returning.missAll('tooMuch')
    }
    return await this.#finish(returning)
  }

  /** Where this node does not publish, live messages that arrive meanwhile may be among those that are read. */
  async #fromLog(returning: Returning, { after, inclusive, held: { isAnnounced, toldFirst } }: Start) {
    returning.release()
    // Before the log is read: what is published meanwhile may still be on its way to the socket.
    returning.readUpTo = await this.#parts.cursor()
    if (after) await returning.readLog({ after, inclusive: inclusive === true })
    else if (isAnnounced && toldFirst) await returning.readLog({ after: parseCursor(toldFirst) })
    else if (isAnnounced) returning.missAll('declared')
  }

  async #fromMemory(returning: Returning, start: Start) {
    const { after, inclusive, held } = start
    const { recent } = this.#parts
    if (!after && !recent.hasRecordedSince(held.since)) return await this.#fromLog(returning, start)
    if (!after) return await readRest(returning, recent.numberSince(held.since))
    returning.forgetLists()
    let place: Place = { after, inclusive: inclusive === true }
    for (;;) {
      const complete = recent.completeFrom(returning.identities())
      if (!complete) return await this.#fromLog(returning, { ...place, held })
      if (covers(complete, place.after) && !this.#isAhead(place.after)) {
        const left = await returning.readMemory(recent.numberAfter(place.after, place.inclusive))
        if (left === 'done' && recent.isRecording) return
        if (left !== 'done') place = left ?? place
        // Another node has begun to publish, while the socket was left out of its messages.
        else if (recent.last) place = { after: parseCursor(recent.last), inclusive: false }
        continue
      }
      const isWhole = await returning.readLog({ ...place, until: complete })
      const end = compareCursors(place.after, complete) > 0 ? place.after : complete
      if (!isWhole) break
      await returning.published(end.tick)
      place = { after: end, inclusive: false }
    }
    await readRest(returning, recent.numberAfter(place.after, place.inclusive))
  }

  /** Another node was ahead of this one. */
  #isAhead({ tick }: Cursor): boolean {
    const position = this.#parts.position()
    return position !== null && tick > (position.partial?.tick ?? position.tick.id)
  }

  async #finish(returning: Returning): Promise<CaughtUp> {
    const cursor = returning.readUpTo ?? this.#reached() ?? (await this.#parts.cursor())
    const outcome = { cursor, replayed: returning.replayed, ...(returning.gaps.length > 0 && { gaps: returning.gaps }) }
    returning.finish(cursor)
    this.#checkpoints.follow(returning.socket)
    this.#parts.onCaughtUp(outcome)
    return outcome
  }

  /** Everything up to it was sent by this node. Undefined where it does not publish. */
  #reached(): string | undefined {
    const { recent } = this.#parts
    const position = this.#parts.position()
    if (!recent.isRecording || !position) return undefined
    const published = cursorOf(position) ?? ''
    const { last = published } = recent
    return compareCursors(parseCursor(last), parseCursor(published)) > 0 ? last : published
  }
}

interface Start {
  readonly after?: Cursor | undefined
  readonly inclusive?: boolean | undefined
  readonly held: Held
}

function outcomeOf(error: unknown): CatchUpFailedEvent['outcome'] {
  const { code } = error as { code?: unknown }
  if (code === 'E_FORBIDDEN') return 'refused'
  if (code === 'E_DISCONNECTED') return 'disconnected'
  return code === 'E_USAGE' ? 'malformed' : 'failed'
}

async function readRest(returning: Returning, number: number) {
  if ((await returning.readMemory(number)) !== 'done') throw new TooMany('Events were dropped before they were sent.')
}

const covers = (complete: Cursor, cursor: Cursor) =>
  complete.epoch === cursor.epoch && compareCursors(cursor, complete) >= 0
