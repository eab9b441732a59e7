import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterScope } from './scope.ts'

export interface Proxy {
  readonly port: number
  /** The same connection string, by way of the proxy. */
  through(connectionString: string): string
  /** What is connected now stays so, but hears and says nothing any more. New connections hang as well until `heal`. */
  freeze(): void
  /** New connections pass again; those that were frozen stay as they are. */
  heal(): void
  /** Freezes what is connected when clients have sent so many messages more. New connections pass. */
  freezeAfter(messages: number): void
  /** Ends what is connected now. */
  cut(): void
  /** How often clients have sent this text so far, as in a statement. */
  sent(text: string): number
}

/** A way to a Postgres server that can break without a sign, as when a firewall forgets a connection. */
export async function startProxy(connectionString: string, onPort = 0): Promise<Proxy> {
  const target = new URL(connectionString)
  const pairs = new Set<Socket[]>()
  let frozen = false
  let sent = ''
  let left = Number.POSITIVE_INFINITY
  const server = createServer({ allowHalfOpen: true }, client => {
    const upstream = connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true })
    const pair = [client, upstream]
    pairs.add(pair)
    for (const socket of pair) socket.on('error', () => {})
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => pairs.delete(pair) && !isFrozen(pair) && client.destroy())
    client.on('data', chunk => {
      sent += chunk.toString('latin1')
      if (--left === 0) freezeAll()
    })
    client.pipe(upstream)
    upstream.pipe(client)
    if (frozen) freezePair(pair)
  })
  const freezeAll = () => {
    for (const pair of pairs) freezePair(pair)
  }
  server.listen(onPort, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  afterScope(() => {
    server.close()
    for (const socket of [...pairs].flat()) socket.destroy()
  })
  return {
    port,
    through(given) {
      const url = new URL(given)
      url.port = String(port)
      url.hostname = '127.0.0.1'
      return url.href
    },
    freeze() {
      frozen = true
      freezeAll()
    },
    sent: text => sent.split(text).length - 1,
    heal() {
      frozen = false
    },
    freezeAfter(messages) {
      left = messages
    },
    cut() {
      for (const [client] of pairs) client?.destroy()
    },
  }
}

const frozenPairs = new WeakSet<Socket[]>()
const isFrozen = (pair: Socket[]) => frozenPairs.has(pair)

function freezePair(pair: Socket[]) {
  frozenPairs.add(pair)
  for (const socket of pair) {
    socket.unpipe()
    socket.pause()
  }
}
