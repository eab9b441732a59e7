import { byId } from './element.js'
import { messageList } from './messages.js'
import { RecordBook } from './records.js'
import { sqlBox } from './sql.js'

const settings = JSON.parse(byId('settings').textContent)
const messages = messageList()
const book = new RecordBook()
for (const model of settings.models) book.add(model)
sqlBox(settings)

const { io } = window
io.sails.environment = 'production' // it logs to the console otherwise
const socket = io.sails.connect(location.origin, { reconnection: true })

for (const { identity } of settings.models) {
  socket.on(identity, (payload, meta) => {
    messages.add(identity, payload, meta)
    book.apply(identity, payload)
  })
}

/** What is about the feed itself: here, that a model is to be read again. */
socket.on('changefeed', (payload, meta) => {
  messages.add('changefeed', payload, meta)
  if (payload.verb === 'refetch') read(payload.identity)
})

/** Reading a list over the socket subscribes it to the records, and to those that come. */
function read(identity) {
  if (!settings.models.some(model => model.identity === identity)) return
  book.hold(identity)
  list(identity, records => {
    if (identity !== 'course') return book.replace(identity, records)
    // Who takes which course stands in a table between them.
    list(settings.links, links => {
      if (links) book.replaceLinks(links)
      book.replace(identity, records)
    })
  })
}

function list(identity, use) {
  socket.get(`/${identity}`, { limit: 200, populate: 'false' }, (records, { statusCode }) =>
    use(statusCode === 200 ? records : undefined),
  )
}

function show(state, text) {
  byId('state').dataset.state = state
  byId('state').textContent = text
  document.body.classList.toggle('offline', state !== 'live')
}

/** Also after a reconnect: the new socket is in no room, and what happened meanwhile was missed. */
socket.on('connect', () => {
  for (const { identity } of settings.models) read(identity)
  show('live', 'Live')
})
socket.on('disconnect', () => show('reconnecting', 'Reconnecting'))
