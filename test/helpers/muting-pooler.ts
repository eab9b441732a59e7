import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterScope } from './scope.ts'

const NOTIFICATION = 'A'.charCodeAt(0)

/** A way to a server on which notifications get lost, as behind a pooler that shares sessions out by transaction. */
export async function startMutingPooler(connectionString: string): Promise<{ connectionString: string }> {
  const url = new URL(connectionString)
  const target = { port: Number(url.port), host: url.hostname }
  const server = createServer(client => {
    const upstream = connect(target)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    client.pipe(upstream)
    const mute = muting()
    upstream.on('data', chunk => void client.write(mute(chunk)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterScope(() => void server.close())
  url.port = String((server.address() as AddressInfo).port)
  return { connectionString: url.href }
}

/** Each message is a type byte and its length; they may come in any pieces. */
function muting() {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer): Buffer => {
    rest = Buffer.concat([rest, chunk])
    const passed: Buffer[] = []
    while (rest.length >= 5 && rest.length >= 1 + rest.readInt32BE(1)) {
      const end = 1 + rest.readInt32BE(1)
      if (rest[0] !== NOTIFICATION) passed.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    return Buffer.concat(passed)
  }
}
