import { fileURLToPath } from 'node:url'
import { built } from '../helpers/program.ts'

const waterlineProgram = fileURLToPath(new URL('../helpers/waterline-program.mjs', import.meta.url))

/**
 * A server whose sockets are in the room of pet 1. `/stats` says what it has cost since the last time: the longest delay of
 * the event loop in ms, processor time in ms, and the most memory in MB that the process ever had.
 */
const serve = (source: string) => `
  import { createServer } from 'node:http'
  import { monitorEventLoopDelay } from 'node:perf_hooks'
  import { Server } from 'socket.io'
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  let cpu = process.cpuUsage()
  const stats = () => {
    const { user, system } = process.cpuUsage(cpu)
    const measured = {
      delayMs: delay.max / 1e6,
      cpuMs: (user + system) / 1e3,
      memoryMb: process.resourceUsage().maxRSS / 1024,
    }
    cpu = process.cpuUsage()
    delay.reset()
    return measured
  }
  const routes = { '/stats': stats, '/ping': () => ({}), '/burst': () => burst() }
  const http = createServer((req, res) => res.end(JSON.stringify(routes[req.url]?.() ?? null)))
  const io = new Server(http, { transports: ['websocket'] })
  io.on('connection', socket => socket.join('sails_model_pet_1:pet'))
  let burst = () => null
  ${source}
  http.listen(0, '127.0.0.1', () => console.log('port ' + http.address().port))`

export const feedServer = serve(`
  const { createChangefeed } = await import(${JSON.stringify(built('index.js'))})
  const { startPetShop } = await import(${JSON.stringify(waterlineProgram)})
  const feed = createChangefeed({ connectionString: process.env.URL, collections: await startPetShop(process.env.URL), io })
  await feed.start()`)

/** The same messages by bare socket.io, in a loop over what one read of the database gave. */
export const bareServer = (changes: number) =>
  serve(`
  burst = () => {
    for (let n = 0; n < ${changes}; n++) {
      const data = { id: 1, name: 'name ' + n, updatedAt: n }
      const meta = { cursor: '1.2s.' + n, at: Date.now() }
      io.to('sails_model_pet_1:pet').emit('pet', { verb: 'updated', data, id: 1, previous: { ...data, owner: null } }, meta)
    }
  }`)

/** Many clients that only count what they receive, and say when each has all of it. */
export const clients = (port: string, count: number, messages: number) => `
  import { createRequire } from 'node:module'
  const WebSocket = createRequire(import.meta.resolve('socket.io'))('ws')
  let connected = 0, complete = 0
  for (let n = 0; n < ${count}; n++) {
    const socket = new WebSocket('ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket')
    let received = 0
    socket.on('message', data => {
      const kind = data.toString('latin1', 0, 2)
      if (kind[0] === '0') socket.send('40')
      else if (kind === '40' && ++connected === ${count}) console.log('connected')
      else if (kind[0] === '2') socket.send('3')
      else if (kind === '42' && ++received === ${messages} && ++complete === ${count}) console.log('complete')
    })
  }`

/** Asks for a small answer every 5 ms over one connection, and prints how long each took, in ms, when it is stopped. */
export const prober = (port: string) => `
  import { Agent, get } from 'node:http'
  const agent = new Agent({ keepAlive: true })
  const times = []
  process.on('SIGTERM', () => process.stdout.write('times ' + JSON.stringify(times) + '\\n', () => process.exit()))
  const ask = () => new Promise((resolve, reject) =>
    get({ port: ${port}, host: '127.0.0.1', path: '/ping', agent }, res => res.resume().on('end', resolve)).on('error', reject))
  console.log('asking')
  for (;;) {
    const started = performance.now()
    await ask()
    times.push(performance.now() - started)
    await new Promise(resolve => setTimeout(resolve, 5))
  }`
