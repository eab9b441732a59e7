import type { Sockets } from '../pubsub/sockets.ts'
import type { Limits } from '../requests/limits.ts'
import { tooManyRooms } from '../requests/refusal.ts'
import type { RealtimeRequest } from '../requests/request.ts'

/** A read, and the rooms of what it shows. */
export interface Read<Shown> {
  read(): Promise<Shown>
  roomsOf(shown: Shown): string[]
}

export interface SubscribedReadOptions {
  readonly sockets: Sockets
  readonly limits: Limits
  /** The place of the feed now; nothing where there is no feed. */
  readonly cursor: () => Promise<string | undefined>
}

const ROUNDS = 5

/**
 * Reads for a socket so that no change falls between what it is shown and the messages that follow: the socket is in the
 * rooms first, then the place of the feed is taken, then the rows are read. As the rooms are known from the rows only, it
 * reads until everything that is shown was joined before it was read. Over HTTP it reads once.
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
    // A list that changes faster than it can be read: what came last is joined late, and the cursor says since when.
    if (round === ROUNDS) await joinAll(req, roomsOf(shown), options)
    if (round === ROUNDS) return { shown, cursor }
  }
}

/** Throws a `Refusal` where the socket would be in more rooms than it may. */
async function joinAll({ socket }: RealtimeRequest, rooms: string[], { sockets, limits }: SubscribedReadOptions) {
  const missing = [...new Set(rooms)].filter(room => !socket.rooms.has(room))
  if (socket.rooms.size + missing.length > limits.roomsPerSocket) {
    throw tooManyRooms(`A socket may be in ${limits.roomsPerSocket} rooms: ask for fewer records, or disconnect.`)
  }
  await Promise.all(missing.map(room => sockets.join(socket, room)))
}
