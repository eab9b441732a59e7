import type { Changes, ChangesOptions, Gap, LiveList } from './api.ts'
import { applied, limitOf, modelOf, type Row } from './live-list.ts'
import { type Message, rank } from './message.ts'
import { repeats, takeCopy } from './repeats.ts'
import { type Answer, eachRawSocket, type RawSocket, type SailsSocket } from './socket.ts'
import { type Input, nextState, type State } from './state.ts'

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
  isStale: boolean
}

/**
 * Makes a socket miss nothing while it is disconnected: it reconnects, runs its subscribing requests again, and hands over
 * what it missed before what follows, each message once. Where that is impossible it reports a gap, and the fresh lists.
 *
 * Takes `io.socket` of sails.io.js 1.2, or a socket of socket.io-client 2 to 4, which needs the handshake of sails.io.js:
 * `io({ query: { __sails_io_sdk_version: '1.2.1' } })`. The app's handlers stay as they are. Called again with the same socket,
 * it returns the same object.
 *
 * @example
 * const changes = changefeed(io.socket, { storage: sessionStorage })
 * const users = changes.live('/user')
 * users.onChange = () => show(users)
 */
export function changefeed(given: object, options: ChangesOptions = {}): Changes {
  const socket = given as SailsSocket & RawSocket & { changefeed?: Changes }
  if (socket.changefeed) return socket.changefeed
  // Local variables instead of a class, as minifiers shorten no other names.
  const { storage, requests = [] } = options
  const entries: Entry[] = []
  // biome-ignore lint/suspicious/noExplicitAny: `on` has the types
  const listeners: [name: string, listener: (event: any) => void][] = []
  const isRepeat = repeats()
  let raw: RawSocket | undefined
  let pass: (message: Message) => void
  let state: State = 'disconnected'
  let cursor: string | null | undefined
  let queue: Message[] = []
  const gaps: Omit<Gap, 'lists'>[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = 0
  let wasLive = false

  const emit = (name: string, event: object) => {
    for (const [each, listener] of listeners) if (each === name) listener(event)
  }

  const input = (given: Input) => {
    const stale = entries.filter(({ isStale }) => isStale)
    const next = raw && nextState(state, given, !!(gaps.length + stale.length))
    if (!next) return
    state = next
    round++
    clearTimeout(timer)
    enter[state](stale)
  }

  /** Of the current state, in place of what it has waited for. */
  const after = (ms: number, act: () => void) => {
    clearTimeout(timer)
    timer = setTimeout(act, ms)
  }

  const enter: Record<State, (stale: readonly Entry[]) => void> = {
    disconnected() {
      queue = [] // behind the cursor: it will be replayed
    },
    subscribing: () => after(0, () => request([...entries])), // with those that are added now
    catchingUp() {
      if (wasLive && !cursor) gap()
      after(SILENCE_MS, notCaughtUp)
      // Inclusive: one change may have several messages, of which some have come.
      ask(`${SINCE}?inclusive=1${cursor ? `&cursor=${cursor}` : ''}`, status => {
        if (status !== 200) notCaughtUp(status)
      })
    },
    refreshing: stale => after(SETTLE_MS, () => request(stale)),
    live() {
      wasLive = true
      queue.splice(0).forEach(handOver)
      emit('caughtUp', { cursor })
    },
  }

  const ask = (url: string, answered: (status: number, body?: unknown) => void) => {
    const asked = round
    // With the option `ackTimeout` of socket.io-client 4, an error comes first.
    ;(raw as RawSocket).emit('get', { url, headers: socket.headers }, (...args: Answer[]) => {
      const { statusCode = 0, body } = { ...args.pop() }
      if (asked === round) answered(statusCode, body)
    })
  }

  const request = (asked: readonly Entry[]) => {
    const lists: Record<string, unknown> = {}
    let open = asked.length
    const finish = () => {
      for (const { path } of asked) if (!(path in lists)) failed(path)
      for (const each of gaps.splice(0)) emit('gap', { ...each, lists })
      input('answered')
    }
    after(open && SILENCE_MS, finish)
    for (const entry of asked) {
      ask(entry.path, (status, body) => {
        const { path, take, isStale } = entry
        entry.isStale = false
        lists[path] = body
        if (status < 200 || status > 299) failed(path, status, body)
        // At its limit: the socket was subscribed to records beyond it when they were created, and is not any more.
        else if (isStale || (body as unknown[])?.length >= limitOf(path)) take?.(body)
        if (!--open) finish()
      })
    }
  }

  const failed = (path: string, status = 0, body?: unknown) => {
    emit('error', { path, status, body })
    if (status < 400 || status > 428) setTimeout(gap, RETRY_MS)
  }

  const notCaughtUp = (status = 0) => {
    if (!wasLive) emit('error', { path: SINCE, status }) // later ones are gaps only
    if (cursor) gap()
    cursor = undefined
    input('caughtUp')
  }

  const gap = (reason = 'failed', identities: readonly string[] = []) => {
    gaps.push({ reason, identities })
    for (const entry of entries) entry.isStale = true
    input('stale')
  }

  /** Returns whether the message is handed over here, now or later. */
  const receive = (message: Message): boolean => {
    const [event, payload, meta] = message
    const { verb, reason, identity, identities } = { ...payload }
    if (event !== KEY) {
      if (!verb) return false
      if (meta?.replayed && state === 'catchingUp') {
        after(SILENCE_MS, notCaughtUp)
        takeCopy(queue, message)
        handOver(message)
      } else if (queue.push(message) && state === 'live') queue.splice(0).forEach(handOver)
      return true
    }
    const replayedTo = rank(cursor ?? '')
    isKnown([event, payload, payload]) // moves the cursor, which is ahead of what the app sent itself
    if (verb === 'caughtUp') {
      // What is not behind the last replayed message was replayed too, or concerns a record that is gone.
      queue = queue.filter(([, , each]) => !each?.cursor || rank(each.cursor) > replayedTo)
      input(verb)
    }
    if (verb === 'gap') gap(reason, identities)
    if (verb !== 'refetch' || isKnown(message)) return true
    gap(reason, [identity as string])
    return false
  }

  const handOver = (message: Message) => {
    if (isKnown(message)) return
    try {
      for (const entry of entries) {
        if (entry.isStale || !entry.hear?.(message)) continue
        entry.isStale = true
        setTimeout(input, 0, 'stale')
      }
      pass(message)
    } catch (error) {
      void Promise.reject(error) // is reported, and the messages behind it are handed over
    }
  }

  /** Moves the cursor. Returns whether the message has been handed over before. */
  const isKnown = (message: Message) => {
    cursor = message[2]?.cursor ?? cursor
    try {
      if (cursor) storage?.setItem(KEY, cursor)
    } catch {} // full or forbidden
    return isRepeat(message)
  }

  const add = (path: string, take?: Entry['take'], hear?: Entry['hear']) => {
    entries.push({ path, take, hear, isStale: !!take })
    input('stale')
  }

  for (const path of requests) add(path)
  try {
    cursor = storage?.getItem(KEY)
  } catch {}
  eachRawSocket(socket, attached => {
    const { onevent } = attached
    raw = attached
    raw.io.reconnection(true)
    pass = data => onevent.call(attached, { data })
    raw.onevent = packet => {
      if (!raw || !receive(packet.data)) onevent.call(attached, packet)
    }
    raw.on('connect', () => input('connected'))
    raw.on('disconnect', () => input('disconnected'))
    if (raw.connected) input('connected')
  })

  socket.changefeed = {
    get state() {
      return state
    },
    get: add as Changes['get'],
    live<T>(path: string, model = modelOf(path)): LiveList<T> {
      const list: LiveList<Row> = []
      const take = (rows: unknown) => {
        list.splice(0, list.length, ...(rows as Row[]))
        list.onChange?.(list)
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
      input('disconnected')
      raw = undefined
    },
  }
  return socket.changefeed
}
