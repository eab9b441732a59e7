process.chdir(__dirname)
const { createServer } = require('node:net')
const { Sails } = require('sails')

// Sails takes 0 for 1337.
const probe = createServer().listen(0, '127.0.0.1', () => {
  const { port } = probe.address()
  probe.close(() => lift(port))
})

function lift(port) {
  const hooks = process.env.APP_HOOK ? { changefeed: require(process.env.APP_HOOK) } : {}
  new Sails().lift({ port, explicitHost: '127.0.0.1', hooks, log: { level: 'error' } }, error => {
    if (error) throw error
    console.log(`lifted on ${port}`)
  })
}
