import type { Server } from 'socket.io'
import type { MessageMeta, RecordEvent } from '../mapping/record-event.ts'
import type { Publisher } from '../publisher.ts'
import { wrapPublisher } from '../wrap-publisher.ts'
import { flushTrackerOf } from './flush-tracker.ts'
import { type SocketPublisherOptions, socketPublisher } from './socket-publisher.ts'

/**
 * How long one attempt waits for the adapter's backend; after that the feed may be stopped, and otherwise asks again. In a
 * Sails app up to 3 s of it are spent on the blueprint that wrote.
 */
const PATIENCE_MS = 4_000

/**
 * Publishes to the sockets of all servers that share a cluster adapter, and is done with an event when the adapter's backend
 * has it. While the backend is down `publish` rejects with an error whose `retryable` is true. `io` need not listen
 * anywhere: a server without a port that carries the same adapter reaches the sockets of the others.
 *
 * @example
 * const io = new Server()
 * io.adapter(createAdapter(pubClient, subClient))
 * const publisher = clusterPublisher(io, { models: readModels(ontology.collections), buffers: new ClientBuffers(io) })
 */
export function clusterPublisher(io: Server, options: Omit<SocketPublisherOptions, 'scope' | 'knownRooms'>): Publisher {
  let rooms: ReadonlySet<string> = new Set()
  const sockets = socketPublisher(io, { ...options, scope: 'cluster', knownRooms: () => rooms })
  const publisher = wrapPublisher(sockets, async (event, meta) => {
    if (event.verb === 'refetch') rooms = await roomsOfAll(io)
    await sockets.publish(event, meta)
  })
  return withFlush(io, publisher)
}

/** Who only holds records is told to read again as well, so it must be known who holds which; asked for then, as it is rare. */
async function roomsOfAll(io: Server): Promise<ReadonlySet<string>> {
  const sockets = await io.fetchSockets().catch(cause => {
    throw notReady(cause)
  })
  return new Set(sockets.flatMap(socket => [...socket.rooms]))
}

/** Makes a publisher that emits through the cluster adapter of `io` wait, event by event, until the adapter's backend has it. */
export function withFlush(io: Server, publisher: Publisher): Publisher {
  const flushTracker = flushTrackerOf(io)
  if (!flushTracker) return publisher
  let underway: { readonly event: RecordEvent; readonly done: Promise<void> } | null = null
  const send = async (event: RecordEvent, meta: MessageMeta) => {
    if (flushTracker.interrupted) await flushTracker.recovered()
    try {
      await publisher.publish(event, meta)
    } catch (cause) {
      throw flushTracker.interrupted ? cause : new Refused('The publisher refused an event.', { cause })
    }
    await flushTracker.flush()
    if (flushTracker.interrupted) throw new Error('Its connection was lost on the way.')
  }
  /** An event that is still on its way when it comes again is not sent twice: the client library keeps it in a queue. */
  const publish = async (event: RecordEvent, meta: MessageMeta) => {
    if (underway?.event !== event) underway = { event, done: send(event, meta) }
    const { done } = underway
    done.catch(() => {})
    try {
      await withinPatience(done)
      underway = null
    } catch (cause) {
      if (!(cause instanceof Impatient)) underway = null
      throw cause instanceof Refused ? cause.cause : notReady(cause)
    }
  }
  const check = async () => {
    await publisher.check?.()
    await withinPatience(flushTracker.check()).catch(cause => {
      throw notReady(cause)
    })
  }
  return { ...wrapPublisher(publisher, publish), check }
}

class Impatient extends Error {}

/** The publisher itself threw while the backend was there: a fault of the event, which trying again would not mend. */
class Refused extends Error {}

async function withinPatience(done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Impatient('It does not answer.')), PATIENCE_MS)
  })
  await Promise.race([done, late]).finally(() => clearTimeout(timer))
}

const notReady = (cause: unknown) =>
  Object.assign(
    new Error(`The backend of the socket.io adapter takes no messages. ${(cause as Error)?.message ?? cause}`, {
      cause,
    }),
    { retryable: true },
  )
