import type { Socket } from 'socket.io'
import { BoundedMap } from '../../bounded-map.ts'
import { keepsMessages } from './adapter.ts'

/** Number of messages whose encoded form is kept. */
const KEPT = 2_000
/** Length of the longest of them, in characters. */
const KEPT_LENGTH = 4_096

type Packet = string | { readonly byteLength: number }
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

  /**
   * As `socket.emit(event, payload, meta)`. The same payload object always stands for the same event and meta. Returns the size
   * of the message in bytes, or in characters of text.
   */
  emit(socket: Socket, event: string, payload: object, meta: object): number {
    const encoded = this.#encoded.get(payload)
    if (encoded && sendsAsEncoded(socket)) {
      for (const packet of encoded) socket.conn.write(packet)
      return sizeOf(encoded)
    }
    const packets = packetsOf(socket, () => socket.emit(event, payload, meta))
    if (areShortText(packets) && sendsAsEncoded(socket)) this.#encoded.set(payload, packets)
    return sizeOf(packets)
  }
}

/** Nothing else is done for a message, and nothing is added to it. */
const sendsAsEncoded = (socket: Socket) =>
  socket.nsp.name === '/' && !keepsMessages(socket.nsp.server) && socket.listenersAnyOutgoing().length === 0

/** The packets that are written meanwhile. */
function packetsOf({ conn }: Socket, write: () => void): Packet[] {
  const packets: Packet[] = []
  const add = ({ data = '' }: { readonly data?: Packet }) => void packets.push(data)
  conn.on('packetCreate', add)
  write()
  conn.off('packetCreate', add)
  return packets
}

/** Whether they may be kept. */
const areShortText = (packets: readonly Packet[]): packets is Encoded =>
  packets.length > 0 && packets.every(packet => typeof packet === 'string' && packet.length <= KEPT_LENGTH)

const sizeOf = (packets: readonly Packet[]) =>
  packets.reduce((sum, packet) => sum + (typeof packet === 'string' ? packet.length : packet.byteLength), 0)
