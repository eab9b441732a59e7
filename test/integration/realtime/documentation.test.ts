import SailsIOClient from 'sails.io.js'
import { describe, expect, test } from 'vitest'
import { openPage } from '../../helpers/browser.ts'
import { afterScope } from '../../helpers/scope.ts'
import { socketIoClient2 } from '../../helpers/socket-io-client-2.ts'
import * as examples from './examples.ts'
import { realtimeApp } from './realtime-app.ts'

// The example depends on the record that `create` returns.
const models = { user: { attributes: { name: { type: 'string' } }, fetchRecordsOnCreate: true } }

/** The app of the examples: its models, `sails`, and a page at `/`. */
async function exampleApp(page: string) {
  const app = await realtimeApp({ models: { user: true } }, models)
  const { sockets } = app.realtime
  const scope = { User: app.collections.user, sails: { sockets } }
  app.realtime.route('GET /', (_req, res) => res.set('content-type', 'text/html').send(page))
  const say: { exports: { hello?: Parameters<typeof app.realtime.route>[1] } } = { exports: {} }
  examples.run(examples.sayController, { ...scope, module: say })
  if (say.exports.hello) app.realtime.route('/say/hello', say.exports.hello)
  return { ...app, scope }
}

/** Loads a page in a browser, or runs its script in Node with the same client. */
const places: [string, (app: { url: string }, page: string) => Promise<string[]>][] = [
  ['a browser', async ({ url }) => (await openPage(url)).logged],
  [
    'Node',
    async ({ url }, page) => {
      const logged: string[] = []
      const log = (...values: unknown[]) =>
        logged.push(values.map(value => (typeof value === 'string' ? value : JSON.stringify(value))).join(''))
      const io = SailsIOClient((...args: unknown[]) => socketIoClient2(...args)) as {
        sails: object
        socket: { disconnect(): void }
      }
      Object.assign(io.sails, { url, environment: 'production' })
      examples.run(examples.scriptOf(page), { io, console: { log } })
      afterScope(() => io.socket.disconnect())
      return logged
    },
  ],
]

describe.each(places)('in %s', (_name, load) => {
  test('the user list: current users, then an alert for each new user', async () => {
    const app = await exampleApp(examples.userListPage)
    await app.collections.user.create({ name: 'ann' })
    const logged = await load(app, examples.userListPage)
    const shown = (start: string) => logged.filter(line => line.startsWith(start))
    await expect.poll(() => shown('Current users: ')).toEqual(['Current users: [{"id":1,"name":"ann"}]'])
    examples.run(examples.createUser, app.scope)
    await expect
      .poll(() => shown('User alert!'))
      .toEqual(['User alert!{"verb":"created","data":{"id":2,"name":"johnny five"},"id":2}'])
    expect(logged.filter(line => line.startsWith('page error'))).toEqual([])
  })

  test('say hello: the socket joins the fun sockets and receives the response and their messages', async () => {
    const app = await exampleApp(examples.sayHelloPage)
    const logged = await load(app, examples.sayHelloPage)
    await expect
      .poll(() => logged.filter(line => /party|responded/.test(line)).sort())
      .toEqual([
        'Server responded with status code 200 and data: OK',
        expect.stringMatching(/^Socket `[-\w]{20}` joined the party!$/),
      ])
    const [id] = app.realtime.sockets.subscribers('funSockets')
    expect(logged.some(line => line.includes(`\`${id}\``))).toBe(true)
    const other = await app.connect()
    examples.run(examples.joinFunSockets, { ...app.scope, someSocket: app.realtime.sockets.get(other.id) })
    examples.run(examples.helloFunSockets, app.scope)
    expect(await other.received()).toEqual(['hello "Hello to all my fun sockets!"'])
  })
})

test('the action rejects a request that is not a socket request', async () => {
  const { url } = await exampleApp('')
  const response = await fetch(`${url}/say/hello`)
  expect([response.status, await response.text()]).toEqual([400, 'Bad Request'])
})
