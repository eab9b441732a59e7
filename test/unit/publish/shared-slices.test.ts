import { execFileSync } from 'node:child_process'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { SharedSlices } from '../../../src/publish/time-slice.ts'
import { afterScope } from '../../helpers/scope.ts'

/** Blocks the process. */
function work(ms: number) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('pieces run in the order in which they were asked for, and the event loop turns between slices', async () => {
  const slices = new SharedSlices()
  const order: number[] = []
  let turns = 0
  let done = false
  const count = () => {
    turns++
    if (!done) setImmediate(count)
  }
  setImmediate(count)
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      slices.run(() => {
        work(1)
        order.push(n)
      }),
    ),
  )
  done = true
  expect(order).toEqual(Array.from({ length: 100 }, (_, n) => n))
  expect(turns).toBeGreaterThanOrEqual(20) // each slice has 4 ms, and so at most 5 pieces
})

test('a piece learns when the slice is over, and one that throws does not stop the next', async () => {
  const slices = new SharedSlices()
  const failed = slices.run(() => {
    throw new Error('broken')
  })
  const next = slices.run(isOver => {
    let pieces = 0
    for (; !isOver(); pieces++) work(1)
    return pieces
  })
  await expect(failed).rejects.toThrow('broken')
  expect(await next).toBeGreaterThan(0)
  expect(await next).toBeLessThanOrEqual(5)
})

test('more than one client can connect between two slices', async () => {
  const server = createServer()
  afterScope(() => server.close())
  let connected = 0
  server.on('connection', socket => {
    connected++
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen({ port: 0, host: '127.0.0.1', backlog: 1_000 }, resolve))
  const { port } = server.address() as AddressInfo
  const connectAll = `for (let n = 0; n < 300; n++) require('node:net').connect(${port}, '127.0.0.1').unref()`
  execFileSync(process.execPath, ['-e', `${connectAll}; setTimeout(() => {}, 100)`]) // blocks: all wait in the queue
  const slices = new SharedSlices()
  let count = 0
  while (connected < 300) {
    await slices.run(isOver => {
      while (!isOver());
      count++
    })
  }
  expect(count).toBeLessThan(250)
})
