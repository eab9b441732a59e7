process.chdir(__dirname)
const { Sails } = require('sails')

const sails = new Sails()
sails.lift({ port: 0, explicitHost: '127.0.0.1', log: { level: 'error' } }, error => {
  if (error) throw error
  console.log(`lifted on ${sails.hooks.http.server.address().port}`)
})
