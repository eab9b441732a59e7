import { server } from '../bench/catch-up-programs.ts'

export const TOPICS = 250

/** Short, so that slots of the log are freed many times during a run. */
export const RETENTION_MS = 60_000

/** Of recent messages in memory: reached within the warm-up. */
const CATCH_UP_BYTES = 4 * 2 ** 20

/**
 * The server of the bench of returning clients. On SIGUSR2 it prints a sample of what it holds. Needs `--expose-gc`, as
 * the heap is measured after a collection.
 */
export const soakServer = `${server({ retentionMs: RETENTION_MS, catchUp: { memoryBytes: CATCH_UP_BYTES } })}
  process.on('SIGUSR2', () => {
    gc()
    const { rss, heapUsed, external } = process.memoryUsage()
    const handles = process.getActiveResourcesInfo()
    const of = type => handles.filter(each => each === type).length
    const sample = {
      rssMb: rss / 2 ** 20,
      heapMb: heapUsed / 2 ** 20,
      externalMb: external / 2 ** 20,
      handles: handles.length,
      connections: of('TCPSocketWrap'),
      timers: of('Timeout'),
    }
    console.log('sample ' + JSON.stringify(sample))
  })`

/** Updates topics at a steady rate, over four connections. */
export const writer = (perSecond: number) => `
  import pg from 'pg'
  const clients = Array.from({ length: 4 }, () => new pg.Client(process.env.URL))
  await Promise.all(clients.map(client => client.connect()))
  const text = 'update topic set version = version + 1 where id = $1'
  const began = performance.now()
  let count = 0
  const write = async client => {
    for (;;) {
      const early = (count * 1000) / ${perSecond} - (performance.now() - began)
      if (early > 0) await new Promise(resolve => setTimeout(resolve, early))
      count++
      await client.query({ name: 'update', text, values: [Math.ceil(Math.random() * ${TOPICS})] })
    }
  }
  process.on('SIGUSR2', () => console.log('written ' + count))
  console.log('writing')
  await Promise.all(clients.map(write))`

/**
 * Clients that connect, subscribe to topics, receive for some seconds, leave, and come back to catch up. On SIGUSR2 it
 * prints what they received since the last time, and how late. On SIGTERM all leave for good.
 */
export const visitors = (count: number) => `
  import io from 'socket.io-client-4'
  const url = 'http://127.0.0.1:' + process.env.PORT
  const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
  const received = () => ({ messages: 0, visits: 0, caughtUp: 0, gaps: 0, failures: 0, latenesses: [] })
  let [since, leaving] = [received(), false]
  const ask = (socket, url) => new Promise((resolve, reject) => {
    socket.once('disconnect', () => reject(new Error('disconnected')))
    socket.emit('get', { method: 'get', url, headers: {}, data: {} }, resolve)
  })
  async function visit(topics, state) {
    const query = { __sails_io_sdk_version: '1.2.1', changefeed: '1' }
    const socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false, query })
    try {
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject))
      socket.on('topic', (_payload, { cursor, at, replayed }) => {
        state.cursor = cursor
        since.messages++
        if (!replayed) since.latenesses.push(Date.now() - at)
      })
      socket.on('changefeed', ({ verb }) => {
        if (verb === 'caughtUp') since.caughtUp++
        if (verb === 'gap') since.gaps++
      })
      await ask(socket, '/mine?ids=' + topics.join(','))
      await ask(socket, '/changefeed/since' + (state.cursor ? '?cursor=' + state.cursor : ''))
      since.visits++
      for (const end = Date.now() + 1_000 + Math.random() * 9_000; Date.now() < end && !leaving; ) await sleep(100)
    } finally {
      socket.close()
    }
  }
  async function come(n) {
    const topics = [0, 61, 122, 183].map(step => ((n + step) % ${TOPICS}) + 1)
    const state = { cursor: null }
    while (!leaving) {
      await visit(topics, state).catch(error => {
        since.failures++
        console.log('failed ' + error.message)
      })
      await sleep(Math.random() * 3_000)
    }
  }
  process.on('SIGUSR2', () => {
    const { latenesses, ...counts } = since
    latenesses.sort((a, b) => a - b)
    const at = share => latenesses[Math.floor(latenesses.length * share)] ?? 0
    console.log('received ' + JSON.stringify({ ...counts, p50Ms: at(0.5), p99Ms: at(0.99) }))
    since = received()
  })
  process.on('SIGTERM', () => (leaving = true))
  console.log('coming')
  await Promise.all(Array.from({ length: ${count} }, (_, n) => come(n)))
  process.exit()`
