import type { Socket } from 'socket.io'
import { BoundedMap } from '../../bounded-map.ts'
import { keepsMessages } from './adapter.ts'

/** Number of messages whose encoded form is kept. */
const KEPT = 2_000
/** Length of the longest of them, in characters. */
const KEPT_LENGTH = 4_096

type Encoded = readonly string[]

/**
 * Sends the same messages to many sockets, one socket at a time, and encodes each only once: socket.io does so for a message
 * to a room, and again for each socket in `socket.emit`. The default namespace only.
 *
 * Source: the event `packetCreate` and the method `write` of `socket.conn`, as the socket.io documentation describes them.
 */
export class EncodedMessages {
  /** By payload object. */
  readonly #encoded = new BoundedMap<object, Encoded>({ count: KEPT })

  /** As `socket.emit(event, payload, meta)`. The same payload object always stands for the same event and meta. */
  emit(socket: Socket, event: string, payload: object, meta: object): void {
    const encoded = this.#encoded.get(payload)
    if (encoded && sendsAsEncoded(socket)) {
      for (const packet of encoded) socket.conn.write(packet)
      return
    }
    const packets = packetsOf(socket, () => socket.emit(event, payload, meta))
    if (packets && sendsAsEncoded(socket)) this.#encoded.set(payload, packets)
  }
}

/** Nothing else is done for a message, and nothing is added to it. */
const sendsAsEncoded = (socket: Socket) =>
  socket.nsp.name === '/' && !keepsMessages(socket.nsp.server) && socket.listenersAnyOutgoing().length === 0

/** The packets that are written meanwhile. Undefined if they are not text, are too long to be kept, or are none. */
function packetsOf({ conn }: Socket, write: () => void): Encoded | undefined {
  const packets: unknown[] = []
  const add = ({ data }: { readonly data?: unknown }) => void packets.push(data)
  conn.on('packetCreate', add)
  write()
  conn.off('packetCreate', add)
  return packets.length > 0 && packets.every(isShortText) ? packets : undefined
}

const isShortText = (data: unknown): data is string => typeof data === 'string' && data.length <= KEPT_LENGTH
