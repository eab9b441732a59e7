import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterScope } from '../../helpers/scope.ts'

/** A load balancer in front of nodes: it leads connections to one of them, and can break all. */
export async function startSwitch() {
  let target = 0
  const open = new Set<Socket>()
  const server = createServer(client => {
    const node = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [client, node],
      [node, client],
    ] as const) {
      open.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  afterScope(() => {
    server.close()
    cut()
  })
  return {
    port: (server.address() as AddressInfo).port,
    /** Of the next connections. */
    leadTo(port: number) {
      target = port
    },
    cut,
  }
}
