import type { Sockets } from '../pubsub/sockets.ts'
import type { Limits } from '../requests/limits.ts'
import { tooManyRooms } from '../requests/refusal.ts'
import type { RealtimeRequest } from '../requests/request.ts'

/** A read, and the rooms of its result. */
export interface Read<Shown> {
  read(): Promise<Shown>
  roomsOf(shown: Shown): string[]
}

export interface SubscribedReadOptions {
  readonly sockets: Sockets
  readonly limits: Limits
  /** The current cursor of the feed. Undefined if there is no feed. */
  readonly cursor: () => Promise<string | undefined>
}

const ROUNDS = 5

/**
 * Reads for a socket so that no change is lost between the response and the messages that follow: the socket joins the
 * rooms, then the feed's cursor is read, then the rows. The rooms follow from the rows, so it repeats until the socket had
 * joined all rooms of the result before the read. Over HTTP it reads once.
 */
export async function subscribedRead<Shown>(
  req: RealtimeRequest,
  { read, roomsOf }: Read<Shown>,
  options: SubscribedReadOptions,
): Promise<{ shown: Shown; cursor: string | undefined }> {
  if (!req.isSocket) return { cursor: await options.cursor(), shown: await read() }
  let shown = await read()
  for (let round = 1; ; round++) {
    await joinAll(req, roomsOf(shown), options)
    const cursor = await options.cursor()
    shown = await read()
    const isSubscribed = roomsOf(shown).every(room => req.socket.rooms.has(room))
    if (isSubscribed) return { shown, cursor }
    // The list changes faster than it can be read. The last rooms are joined late, and the cursor covers the difference.
    if (round === ROUNDS) await joinAll(req, roomsOf(shown), options)
    if (round === ROUNDS) return { shown, cursor }
  }
}

/** Throws a `Refusal` if the socket would exceed its limit of rooms. */
async function joinAll({ socket }: RealtimeRequest, rooms: string[], { sockets, limits }: SubscribedReadOptions) {
  const missing = [...new Set(rooms)].filter(room => !socket.rooms.has(room))
  if (socket.rooms.size + missing.length > limits.roomsPerSocket) {
    throw tooManyRooms(`A socket may be in ${limits.roomsPerSocket} rooms: ask for fewer records, or disconnect.`)
  }
  await Promise.all(missing.map(room => sockets.join(socket, room)))
}
