/** Lifts the app in a process of its own: its options are the JSON in APP. SIGTERM shuts it down as Sails does. */
const { createAdapter } = require('@socket.io/redis-adapter')
const { createClient } = require('redis')
const { lift } = require('./app.cjs')

async function main() {
  const { redis, ...options } = JSON.parse(process.env.APP)
  if (redis) {
    const pub = createClient({ url: redis })
    const sub = pub.duplicate()
    for (const client of [pub, sub]) client.on('error', () => {})
    await Promise.all([pub.connect(), sub.connect()])
    const sockets = { adapter: 'cluster', adapterModule: () => createAdapter(pub, sub) }
    options.more = { ...options.more, sockets }
  }
  const app = await lift(options)
  console.log(`lifted on port ${app.hooks.http.server.address().port}`)
  console.log(`status ${JSON.stringify(app.hooks.changefeed?.status() ?? null)}`)
}

main().catch(error => {
  console.error('not lifted:', error)
  process.exit(1)
})
