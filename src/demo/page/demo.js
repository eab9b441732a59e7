import { changefeed } from '/page/client.min.js'
import { byId } from '/page/element.js'
import { latencyOf, MessagePane } from './messages.js'
import { OfflineSwitch } from './offline.js'
import { RecordBook } from './records.js'
import { reloadWhenRestarted } from './restart.js'
import { SqlBox } from './sql.js'
import { Statistics } from './statistics.js'
import { tools } from './tools.js'
import { writerButtons } from './writers.js'

const settings = JSON.parse(byId('settings').textContent)
const panes = { alone: new MessagePane('alone'), feed: new MessagePane('feed') }
const statistics = new Statistics()
const book = new RecordBook()
for (const model of settings.models) book.add(model)

const { io } = window
io.sails.environment = 'production' // disables logging to the console
const connect = path => io.sails.connect(location.origin, { path, reconnection: true, multiplex: false })

const feed = connect('/socket.io')
const changes = changefeed(feed) // subscribes again after a reconnect, and hands over what was missed
for (const { identity } of settings.models) {
  feed.on(identity, (payload, meta) => {
    panes.feed.add(identity, payload, meta)
    if (meta?.replayed) offline.missed()
    else statistics.add(latencyOf(meta))
    book.apply(identity, payload)
  })
  changes.get(listPath(identity), records => book.replace(identity, records))
}
// The students of a course are in the junction table.
changes.get(listPath(settings.links), links => book.replaceLinks(links))

/** Messages of the feed itself. */
feed.on('changefeed', (payload, meta) => panes.feed.add('changefeed', payload, meta))
changes.on('gap', ({ reason, identities }) => {
  panes.feed.add('changefeed', { verb: 'gap', reason, identity: identities.join(', ') })
})

function listPath(identity) {
  return `/${identity}?limit=200&populate=false`
}

/** Receives the messages of blueprint actions. Another socket makes the requests, because Sails excludes the requesting one. */
const alone = connect(settings.alonePath)
const requester = connect(settings.alonePath)
for (const { identity } of settings.models) {
  alone.on(identity, (payload, meta) => panes.alone.add(identity, payload, meta))
}
alone.on('connect', () => {
  for (const { identity } of settings.models) alone.get(`/${identity}`, { limit: 200 })
})

const offline = new OfflineSwitch([alone, feed])

function startWrite() {
  for (const pane of Object.values(panes)) pane.startWrite()
}

function send({ method, url, data }) {
  startWrite()
  byId('sql-results').replaceChildren()
  byId('outcome').textContent = `${method.toUpperCase()} ${url}`
  requester[method](url, data, (_, { statusCode }) => {
    byId('outcome').textContent = `${method.toUpperCase()} ${url}: ${statusCode}`
  })
}

const box = settings.sql ? new SqlBox(settings.token, startWrite) : null
if (!box) byId('own-sql').remove()
writerButtons({ send, runSql: box && (sql => box.run(sql)) })
tools(settings, {
  clear() {
    for (const pane of Object.values(panes)) pane.clear()
    statistics.clear()
  },
})

function show(state, text) {
  byId('state').dataset.state = state
  byId('state').textContent = text
  document.body.classList.toggle('offline', state !== 'live')
}

feed.on('connect', () => void reloadWhenRestarted(settings))
changes.on('caughtUp', () => {
  show('live', 'Live')
  offline.caughtUp()
})
feed.on('disconnect', () => {
  if (offline.isOn) show('offline', 'Offline')
  else show('reconnecting', 'Reconnecting')
})
