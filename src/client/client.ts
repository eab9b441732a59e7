import type { Changes, ChangesOptions, Gap, LiveList } from './api.ts'
import { applied, isSelection, type Row } from './live-list.ts'
import { type Message, rank } from './message.ts'
import { repeats, takeCopy } from './repeats.ts'
import { type Answer, eachRawSocket, onOwnWrites, type RawSocket, type SailsSocket } from './socket.ts'
import { nextState, type State } from './state.ts'

export type { Changes, ChangesEvents, ChangesOptions, CursorStorage, Gap, LiveList } from './api.ts'
export type { State } from './state.ts'

/** Time in which a request is answered, or a replayed message follows the last one. */
const SILENCE_MS = 20_000
/** After a request that may succeed later. */
const RETRY_MS = 5_000
/** Before lists are read again: gaps of several models come together, and messages that affect live lists too. */
const SETTLE_MS = 100

/** In the storage. */
const KEY = 'changefeed'
const SINCE = '/changefeed/since'

/** A subscribing request. */
interface Entry {
  readonly path: string
  readonly take?: ((answer: unknown) => void) | undefined
  /** Of live lists. Returns whether only the server knows the list. */
  readonly hear?: ((message: Message) => boolean) | undefined
  /** {@link STALE}, {@link REQUESTED}, or 0 if the list is fresh. */
  stale: number
}

/** The list must be requested. */
const STALE = 1
/** The list has been requested, and must be handed over. */
const REQUESTED = 2

/**
 * Makes a socket miss nothing while it is disconnected: it reconnects, runs its subscribing requests again, and hands over
 * what it missed before what follows, each message once. Where that is impossible it reports a gap, and the fresh lists.
 *
 * Takes `io.socket` of sails.io.js 1.2, or a socket of socket.io-client 2 to 4, which needs the handshake of sails.io.js:
 * `io({ query: { __sails_io_sdk_version: '1.2.1' } })`. The app's handlers stay as they are. Called again with the same socket,
 * it returns the same object, until that is closed.
 *
 * @example
 * const changes = changefeed(io.socket, { storage: sessionStorage })
 * const users = changes.live('/user')
 * users.onChange = () => show(users)
 */
export const changefeed = (socket: Socket | object, options: ChangesOptions = {}): Changes =>
  ((socket as Socket).changefeed ??= changesOf(socket as Socket, options))

type Socket = SailsSocket & RawSocket & { changefeed?: Changes | null }

/** Local variables instead of a class, as minifiers shorten no other names. */
const changesOf = (socket: Socket, { storage }: ChangesOptions): Changes => {
  const entries: Entry[] = []
  // biome-ignore lint/suspicious/noExplicitAny: `on` has the types
  const listeners: [name: string, listener: (event: any) => void][] = []
  const isRepeat = repeats()
  /** Null after `close()`. */
  let raw: RawSocket | null | undefined
  let pass: (message: Message) => Promise<void>
  let state: State = 'disconnected'
  let cursor = storage?.getItem(KEY) ?? ''
  let queue: Message[] = []
  const gaps: Omit<Gap, 'lists'>[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = 0

  const emit = (name: string, event: object) => {
    for (const [each, listener] of listeners) if (each === name) void call(listener, event)
  }

  const staleEntries = () => entries.filter(each => each.stale === STALE)

  const proceed = (to: State) => {
    if (to === 'live') handOverQueue()
    const next = raw && nextState(state, to, gaps.length + staleEntries().length)
    if (!next) return
    state = next
    round++
    clearTimeout(timer)
    enter[state]?.()
  }

  /** Of the current state, in place of what it has waited for. */
  const after = (ms: number, act: () => void) => {
    clearTimeout(timer)
    timer = setTimeout(act, ms)
  }

  const enter: Partial<Record<State, () => void>> = {
    subscribing() {
      queue = [] // of the connection before: they are replayed, or older than the lists
      if (!cursor && round > 1) gap() // what was missed since the connection before
      after(0, () => request([...entries])) // with those that are added now
    },
    catchingUp() {
      after(SILENCE_MS, notCaughtUp)
      // Inclusive: one change may have several messages, of which some have come.
      ask(`${SINCE}?inclusive=1&cursor=${cursor}`, status => status === 200 || notCaughtUp(status))
    },
    refreshing: () => after(SETTLE_MS, () => request(staleEntries())),
    live: () => emit('caughtUp', { cursor }),
  }

  const ask = (url: string, answered: (status?: number, body?: unknown) => unknown) => {
    const asked = round
    // With the option `ackTimeout` of socket.io-client 4, an error comes first.
    ;(raw as RawSocket).emit('get', { url, headers: socket.headers }, (...args: Answer[]) => {
      const { statusCode, body } = { ...args.pop() }
      if (asked === round) answered(statusCode, body)
    })
  }

  const request = (asked: readonly Entry[]) => {
    const lists: Record<string, unknown> = {}
    const { length } = gaps // those that the answers cover
    let open = asked.length
    const finish = () => {
      for (const each of asked) if (!(each.path in lists)) failed(each.path)
      for (const each of gaps.splice(0, length)) emit('gap', { lists, ...each })
      proceed(state === 'subscribing' ? 'catchingUp' : 'live')
    }
    after(open && SILENCE_MS, finish)
    for (const entry of asked) {
      const { path } = entry
      if (entry.stale) entry.stale = REQUESTED
      ask(path, (status, body) => {
        lists[path] = body
        if (!/^2/.test(`${status}`)) failed(path, status, body)
        else {
          // Of records that such a list shows no longer, the socket receives no messages.
          if (entry.stale || isSelection(path, body)) void call(entry.take, body)
          entry.stale &= STALE // again, if it has become so meanwhile
        }
        if (!--open) finish()
      })
    }
  }

  const failed = (path: string, status = 0, body?: unknown) => {
    emit('error', { path, status, body })
    if (status < 400 || status > 428) setTimeout(gap, RETRY_MS)
  }

  const notCaughtUp = (status = 0) => {
    emit('error', { path: SINCE, status })
    if (cursor) gap()
    cursor = ''
    proceed('live')
  }

  const gap = (reason = 'failed', identities: readonly string[] = []) => {
    gaps.push({ reason, identities })
    entries.forEach(refresh)
    proceed('refreshing') // also without a list
  }

  /** Returns something truthy if the message is handed over here, now or later. */
  const receive = (message: Message): unknown => {
    const [event, payload, meta] = message
    const { verb } = { ...payload }
    if (event !== KEY) {
      if (meta?.replayed && state === 'catchingUp') {
        after(SILENCE_MS, notCaughtUp)
        takeCopy(queue, message)
        handOver(message)
      } else if (verb && queue.push(message) && state === 'live') handOverQueue()
      return verb
    }
    const replayedTo = rank(cursor)
    const isRefetch = !isKnown([event, payload, meta ?? payload]) && verb === 'refetch'
    if (verb === 'caughtUp' && state === 'catchingUp') {
      // What is not behind the last replayed message was replayed too, or concerns a record that is gone.
      queue = queue.filter(
        each => !each[2]?.cursor || each[1].verb === 'destroyed' || rank(each[2].cursor) > replayedTo,
      )
      cursor = payload.cursor as string // also of another history
      proceed('live')
    }
    if (isRefetch || verb === 'gap') gap(payload.reason, payload.identities ?? [payload.identity as string])
    return !isRefetch
  }

  const handOverQueue = () => queue.splice(0).forEach(handOver)

  const handOver = (message: Message) => {
    if (isKnown(message)) return
    for (const entry of entries) if (!entry.stale && entry.hear?.(message)) refresh(entry)
    void pass(message)
  }

  const refresh = (entry: Entry) => {
    entry.stale = STALE
    proceed('refreshing')
  }

  /** Moves the cursor. Returns whether the message has been handed over before. */
  const isKnown = (message: Message) => {
    const its = message[2]?.cursor
    if (rank(its) > rank(cursor)) {
      cursor = its as string
      try {
        storage?.setItem(KEY, cursor)
      } catch {} // full or forbidden
    }
    return isRepeat(message)
  }

  const add = (path: string, take?: Entry['take'], hear?: Entry['hear']) => {
    entries.push({ path, take, hear, stale: take ? STALE : 0 })
    proceed('refreshing')
  }

  eachRawSocket(socket, attached => {
    if (raw === null) return
    const { onevent } = attached
    raw = attached
    raw.io.reconnection(true)
    pass = async data => onevent.call(attached, { data })
    raw.onevent = packet => {
      if (!raw || !receive(packet.data)) onevent.call(attached, packet)
    }
    // The socket is left out of the messages about them.
    onOwnWrites(raw, () => {
      for (const entry of entries) if (entry.hear) refresh(entry)
    })
    raw.on('connect', () => proceed('subscribing'))
    raw.on('disconnect', () => proceed('disconnected'))
    if (raw.connected) proceed('subscribing')
  })

  return {
    get state() {
      return state
    },
    get: add as Changes['get'],
    live<T>(path: string, model = path.split(/\W/)[1]): LiveList<T> {
      const list: LiveList<Row> = []
      const take = (rows: unknown) => {
        list.splice(0, list.length, ...([rows].flat() as Row[]))
        if (!isSelection(path, rows)) list.sort((a, b) => ((a.id > b.id) as unknown as number) || -1)
        void call(list.onChange, list)
      }
      add(path, take, message => {
        const rows = applied(list, message, path, model)
        if (rows && rows !== list) take(rows)
        return !rows
      })
      return list as LiveList<T>
    },
    on(...listener) {
      listeners.push(listener)
    },
    close() {
      queue.forEach(pass)
      proceed('disconnected')
      raw = socket.changefeed = null
    },
  }
}

/** What a callback of the app throws is reported as a rejection that nobody handles. */
const call = async <Given>(callback: ((given: Given) => void) | undefined, given: Given) => callback?.(given)
