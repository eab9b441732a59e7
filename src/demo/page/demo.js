import { byId } from '/page/element.js'
import { latencyOf, MessagePane } from './messages.js'
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
for (const { identity } of settings.models) {
  feed.on(identity, (payload, meta) => {
    panes.feed.add(identity, payload, meta)
    statistics.add(latencyOf(meta))
    book.apply(identity, payload)
  })
}

/** Messages of the feed itself: `refetch` means that a model must be read again. */
feed.on('changefeed', (payload, meta) => {
  panes.feed.add('changefeed', payload, meta)
  if (payload.verb === 'refetch') read(payload.identity)
})

/** Reading a list over a socket subscribes the socket to its records and to new records. */
function read(identity) {
  if (!settings.models.some(model => model.identity === identity)) return
  book.hold(identity)
  list(identity, records => {
    if (identity !== 'course') return book.replace(identity, records)
    // The students of a course are in the junction table.
    list(settings.links, links => {
      if (links) book.replaceLinks(links)
      book.replace(identity, records)
    })
  })
}

function list(identity, use) {
  feed.get(`/${identity}`, { limit: 200, populate: 'false' }, (records, { statusCode }) =>
    use(statusCode === 200 ? records : undefined),
  )
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

/** Also runs after a reconnect, because the new socket is in no room and has missed messages. */
feed.on('connect', async () => {
  if (await reloadWhenRestarted(settings)) return
  for (const { identity } of settings.models) read(identity)
  show('live', 'Live')
})
feed.on('disconnect', () => show('reconnecting', 'Reconnecting'))
