const { APP_ADAPTER, APP_REDIS_URL } = process.env

module.exports.sockets =
  APP_ADAPTER === '@sailshq/socket.io-redis'
    ? { adapter: APP_ADAPTER, url: APP_REDIS_URL }
    : { adapter: APP_ADAPTER, adapterModule: adapterOfToday }

function adapterOfToday() {
  const { createAdapter } = require('@socket.io/redis-adapter')
  const { createClient } = require('redis')
  const pub = createClient({ url: APP_REDIS_URL })
  const sub = pub.duplicate()
  for (const client of [pub, sub]) {
    client.on('error', () => {})
    client.connect()
  }
  return createAdapter(pub, sub)
}
