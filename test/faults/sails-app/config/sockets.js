const { createAdapter } = require('@socket.io/redis-adapter')
const { createClient } = require('redis')

const pub = createClient({ url: process.env.APP_REDIS_URL })
const sub = pub.duplicate()
for (const client of [pub, sub]) {
  client.on('error', () => {})
  client.connect()
}

module.exports.sockets = { adapter: '@socket.io/redis-adapter', adapterModule: () => createAdapter(pub, sub) }
