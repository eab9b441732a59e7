import type { Server } from 'socket.io'
import type { MessageMeta, RecordEvent } from '../mapping/record-event.ts'
import type { Publisher } from '../publisher.ts'
import { wrapPublisher } from '../wrap-publisher.ts'
import { flushTrackerOf } from './flush-tracker.ts'
import { type SocketPublisherOptions, socketPublisher } from './socket-publisher.ts'

/**
 * Timeout of one attempt, so that the feed can stop; it retries otherwise. In a Sails app up to 3 s of it are the wait for
 * a blueprint to publish.
 */
const ATTEMPT_TIMEOUT_MS = 4_000

/**
 * Publishes to the sockets of all servers that share a cluster adapter. `publish` resolves when the adapter's backend has
 * accepted the event, and rejects with an error whose `retryable` is true while the backend is down. `io` needs no port: a
 * server with the same adapter reaches the sockets of the others.
 *
 * @example
 * const io = new Server()
 * io.adapter(createAdapter(pubClient, subClient))
 * const publisher = clusterPublisher(io, { models: readModels(ontology.collections), buffers: new ClientBuffers(io) })
 */
export function clusterPublisher(
  io: Server,
  options: Omit<SocketPublisherOptions, 'fanOut' | 'knownRooms'>,
): Publisher {
  let rooms: ReadonlySet<string> = new Set()
  const sockets = socketPublisher(io, { ...options, fanOut: 'cluster', knownRooms: () => rooms })
  const publisher = wrapPublisher(sockets, async (event, meta) => {
    if (event.verb === 'refetch') rooms = await roomsOfAll(io)
    await sockets.publish(event, meta)
  })
  return withFlush(io, publisher)
}

/** `refetch` also goes to the rooms of single records, which other servers know. Fetched on demand, because it is rare. */
async function roomsOfAll(io: Server): Promise<ReadonlySet<string>> {
  const sockets = await io.fetchSockets().catch(cause => {
    throw unavailable(cause)
  })
  return new Set(sockets.flatMap(socket => [...socket.rooms]))
}

/** Wraps a publisher that emits through the cluster adapter of `io`: each event waits until the adapter's backend accepted it. */
export function withFlush(io: Server, publisher: Publisher): Publisher {
  const flushTracker = flushTrackerOf(io)
  if (!flushTracker) return publisher
  let underway: { readonly event: RecordEvent; readonly done: Promise<void> } | null = null
  const send = async (event: RecordEvent, meta: MessageMeta) => {
    if (flushTracker.interrupted) await flushTracker.recovered()
    try {
      await publisher.publish(event, meta)
    } catch (cause) {
      throw flushTracker.interrupted ? cause : new PublishFailed('The publisher threw.', { cause })
    }
    await flushTracker.flush()
    if (flushTracker.interrupted) throw new Error('The connection was lost before the event was accepted.')
  }
  /** A retry of an event that is still in the client library's queue waits for it instead of sending it again. */
  const publish = async (event: RecordEvent, meta: MessageMeta) => {
    if (underway?.event !== event) underway = { event, done: send(event, meta) }
    const { done } = underway
    done.catch(() => {})
    try {
      await withTimeout(done)
      underway = null
    } catch (cause) {
      if (!(cause instanceof TimedOut)) underway = null
      throw cause instanceof PublishFailed ? cause.cause : unavailable(cause)
    }
  }
  const check = async () => {
    await publisher.check?.()
    await withTimeout(flushTracker.check()).catch(cause => {
      throw unavailable(cause)
    })
  }
  return { ...wrapPublisher(publisher, publish), check }
}

class TimedOut extends Error {}

/** The publisher threw while the backend was available, so a retry of the event would fail again. */
class PublishFailed extends Error {}

async function withTimeout(done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new TimedOut(`No response within ${ATTEMPT_TIMEOUT_MS / 1000} s.`)),
      ATTEMPT_TIMEOUT_MS,
    )
  })
  await Promise.race([done, late]).finally(() => clearTimeout(timer))
}

const unavailable = (cause: unknown) =>
  Object.assign(
    new Error(`The backend of the socket.io adapter does not accept messages. ${(cause as Error)?.message ?? cause}`, {
      cause,
    }),
    { retryable: true },
  )
