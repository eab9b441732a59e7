import { built } from '../helpers/program.ts'

export const TOPICS = 250
/** Topics that each client subscribes to. Client n has n, n + 61, n + 122, ... */
export const TOPICS_PER_CLIENT = 4

/**
 * A server on a given port with the models `topic` and `ticker`. `GET /mine` subscribes a socket to the topics in `ids`,
 * `GET /ticker` to the ticker. Over HTTP, `/stats` returns and resets what it has cost: the longest delay of the event
 * loop in ms, processor time in ms, the most memory in MB that it ever had, and statements sent to Postgres. `options` are those of its feed.
 */
export const server = (options: object = {}) => `
  import { createServer } from 'node:http'
  import { monitorEventLoopDelay } from 'node:perf_hooks'
  import { promisify } from 'node:util'
  import pg from 'pg'
  import sailsPostgresql from 'sails-postgresql'
  import Waterline from 'waterline'
  const { createChangefeed, createRealtime } = await import(${JSON.stringify(built('index.js'))})
  const id = { type: 'number', autoMigrations: { autoIncrement: true } }
  const url = process.env.URL
  const { collections } = await promisify(Waterline.start)({
    adapters: { 'sails-postgresql': sailsPostgresql },
    datastores: { default: { adapter: 'sails-postgresql', url } },
    models: {
      topic: { attributes: { id, title: { type: 'string' }, version: { type: 'number' } } },
      ticker: { attributes: { id, at: { type: 'string' } } },
    },
    defaultModelSettings: { datastore: 'default', primaryKey: 'id' },
  })
  let statements = 0
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function (...args) {
    statements++
    return query.apply(this, args)
  }
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  let cpu = process.cpuUsage()
  const stats = () => {
    const { user, system } = process.cpuUsage(cpu)
    const memoryMb = process.resourceUsage().maxRSS / 1024
    const measured = { delayMs: delay.max / 1e6, cpuMs: (user + system) / 1e3, memoryMb, statements }
    cpu = process.cpuUsage()
    statements = 0
    delay.reset()
    return measured
  }
  const http = createServer((_req, res) => res.end(JSON.stringify(stats())))
  let feed
  const linked = { cursor: () => feed.cursor(), catchUp: (socket, request) => feed.catchUp(socket, request) }
  const ignore = () => {}
  const logger = { debug: ignore, info: ignore, warn: ignore, error: (message, fields) => console.log('error ' + message, fields) }
  const realtime = createRealtime({ server: http, collections, feed: linked, logger })
  feed = createChangefeed({ ...${JSON.stringify(options)}, connectionString: url, collections, publisher: realtime.publisher })
  realtime.route('GET /mine', async (req, res) => {
    await feed.subscribe(req.socket, 'topic', req.query.ids.split(',').map(Number))
    res.ok()
  })
  realtime.route('GET /ticker', async (req, res) => {
    await feed.subscribe(req.socket, 'ticker', 1)
    res.ok()
  })
  await feed.start()
  await feed.settled()
  process.on('SIGTERM', async () => {
    await feed.stop()
    process.exit()
  })
  http.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 }, () => console.log('listening'))`

/** A socket.io client over a bare WebSocket, as thousands of them must not cost more than the server. */
const BARE_CLIENT = `
  import { createRequire } from 'node:module'
  const WebSocket = createRequire(import.meta.resolve('socket.io'))('ws')
  const address = 'ws://127.0.0.1:' + process.env.PORT + '/socket.io/?EIO=4&transport=websocket&__sails_io_sdk_version=1.2.1'
  function connect(query, { onOpen, onMessage }) {
    const socket = new WebSocket(address + query, { perMessageDeflate: false })
    let isOpen = false
    socket.on('error', () => {}) // a full backlog refuses connections
    socket.on('close', () => {
      if (isOpen) print('closed')
      else setTimeout(connect, 100 + Math.random() * 400, query, { onOpen, onMessage })
    })
    const waiting = new Map()
    let requests = 0
    const get = url => new Promise(resolve => {
      waiting.set(requests, resolve)
      socket.send('42' + requests++ + JSON.stringify(['get', { method: 'get', url, headers: {}, data: {} }]))
    })
    socket.on('message', data => {
      const text = data.toString()
      if (text[0] === '0') socket.send('40')
      else if (text[0] === '2') socket.send('3')
      else if (text.startsWith('40')) {
        isOpen = true
        onOpen(get)
      }
      else if (text.startsWith('42')) onMessage(text)
      else if (text.startsWith('43')) {
        const [, request, body] = /^43(\\d+)(.*)$/.exec(text)
        waiting.get(Number(request))?.(JSON.parse(body)[0])
        waiting.delete(Number(request))
      }
    })
  }
  const print = line => process.stdout.write(line + '\\n')`

/** Sockets that receive each change of the ticker. On SIGUSR2 prints `at` of each, and when it arrived, since the last time. */
export const listeners = (count: number) => `${BARE_CLIENT}
  let [ready, arrivals] = [0, []]
  for (let n = 0; n < ${count}; n++) {
    connect('', {
      onOpen: async get => {
        await get('/ticker')
        if (++ready === ${count}) print('ready')
      },
      onMessage: text => {
        const [, at] = /"at":"(\\d{13})/.exec(text) ?? []
        if (at) arrivals.push([at, Date.now()])
      },
    })
  }
  process.on('SIGUSR2', () => {
    print('arrivals ' + JSON.stringify(arrivals))
    arrivals = []
  })`

/**
 * Clients that come back within `withinMs`, subscribe again and, with `catchUp`, ask for what they missed. Prints
 * `complete` when all have caught up, and `current` when all have the last version of their topics. On SIGUSR2 prints what
 * each took and received.
 */
export const returning = (options: {
  readonly first: number
  readonly count: number
  readonly withinMs: number
  readonly cursors: readonly string[]
  readonly catchUp: boolean
  /** Of each topic, after which nothing follows. */
  readonly lastVersion: number
}) => `${BARE_CLIENT}
  const { first, count, withinMs, cursors, catchUp, lastVersion } = ${JSON.stringify(options)}
  const { getPriority, setPriority } = await import('node:os')
  setPriority(getPriority() + 5) // in production the clients run on other machines
  const clients = []
  let [complete, current] = [0, 0]
  const finished = () => {
    if (++complete === count) print('complete')
  }
  function comeBack(n) {
    const topics = Array.from({ length: ${TOPICS_PER_CLIENT} }, (_, each) => ((n + each * 61) % ${TOPICS}) + 1)
    const client = { began: performance.now(), asked: 0, took: null, waited: null, gaps: 0, left: topics.length, versions: new Map(topics.map(topic => [topic, []])) }
    clients.push(client)
    connect(catchUp ? '&changefeed=1' : '', {
      onOpen: async get => {
        await get('/mine?ids=' + topics.join(','))
        if (!catchUp) {
          client.took = performance.now() - client.began
          return finished()
        }
        client.asked = performance.now()
        const { statusCode, body } = await get('/changefeed/since?inclusive=1&cursor=' + cursors[n % cursors.length])
        if (statusCode !== 200) print('refused ' + statusCode + ' ' + JSON.stringify(body))
      },
      onMessage: text => {
        if (text.startsWith('42["changefeed"')) {
          if (text.includes('"gap"')) client.gaps++
          if (!text.includes('"caughtUp"')) return
          client.took = performance.now() - client.began
          client.waited = performance.now() - client.asked
          return finished()
        }
        const [, version, id] = /"version":(\\d+).*?"id":(\\d+)/.exec(text) ?? []
        client.versions.get(Number(id))?.push(Number(version))
        if (Number(version) === lastVersion && --client.left === 0 && ++current === count) print('current')
      },
    })
  }
  for (let n = first; n < first + count; n++) setTimeout(comeBack, Math.random() * withinMs, n)
  process.on('SIGUSR2', () => {
    const seen = clients.map(({ took, waited, gaps, versions }) => ({ took, waited, gaps, versions: [...versions.values()] }))
    print('clients ' + JSON.stringify(seen))
  })
  print('started')`
