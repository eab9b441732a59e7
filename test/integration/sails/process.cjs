/** Lifts the app in a process of its own: its options are the JSON in APP. SIGTERM shuts it down as Sails does. */
const { createAdapter } = require('@socket.io/redis-adapter')
const { createClient } = require('redis')
const { lift } = require('./app.cjs')

const adapters = {
  /** The one that Sails' documentation names, with a bus between the servers besides. */
  '@sailshq/socket.io-redis': url => ({
    adapter: '@sailshq/socket.io-redis',
    adapterModule: require('@sailshq/socket.io-redis'),
    url,
  }),
  '@socket.io/redis-adapter': async url => {
    const pub = createClient({ url })
    const sub = pub.duplicate()
    for (const client of [pub, sub]) client.on('error', () => {})
    await Promise.all([pub.connect(), sub.connect()])
    return { adapter: '@socket.io/redis-adapter', adapterModule: () => createAdapter(pub, sub) }
  },
}

async function main() {
  const { adapter, redis, ...options } = JSON.parse(process.env.APP)
  if (redis) options.more = { ...options.more, sockets: await adapters[adapter](redis) }
  const app = await lift(options)
  app.on('hook:sockets:adminMessage', ({ event }) => console.log(`asked of all: ${event}`))
  console.log(`lifted on port ${app.hooks.http.server.address().port}`)
  console.log(`status ${JSON.stringify(app.hooks.changefeed?.status() ?? null)}`)
}

main().catch(error => {
  console.error('not lifted:', error)
  process.exit(1)
})
