import { Plot } from '/page/plot.js'

const POLL_MS = 2_000
const MOMENT = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }

const byId = id => document.getElementById(id)
const ratePlot = new Plot(byId('rate-plot'), 'messages a second')
const lagPlot = new Plot(byId('lag-plot'), 'lag')

await poll()

async function poll() {
  try {
    const response = await fetch('/status.json', { cache: 'no-store' })
    if (response.redirected || response.status === 401) return location.assign('/sign-in')
    if (!response.ok) throw new Error(response.statusText)
    show(await response.json())
  } catch {
    showState('lost', 'The listener does not answer')
  }
  setTimeout(poll, POLL_MS)
}

function show({ feed, database, samples, recent, inspected, signedIn }) {
  byId('sign-out').hidden = !signedIn
  showState(stateColour(feed), stateText(feed))
  showFigures(database, samples)
  showPlots(samples)
  showProblems(inspected)
  showAge(database)
  if (database) {
    rows('models', database.models.map(modelRow))
    rows('nodes', database.nodes.map(nodeRow))
  }
  rows('recent', recent.map(messageRow))
}

function showState(state, text) {
  byId('state').dataset.state = state
  byId('state').textContent = text
}

function stateColour({ state, outage, failures }) {
  return state === 'running' && (outage || failures.length > 0) ? 'troubled' : state
}

function stateText({ state, role, mode, listening, outage, failures }) {
  if (state !== 'running') return state === 'reconnecting' ? 'Connecting to the database again' : state
  const reading = { asleep: 'asleep until a NOTIFY', polling: 'polling', closing: 'going to sleep' }[mode]
  const trouble = [
    outage && `the publisher's backend is away since ${time(outage.since)}`,
    failures.length > 0 && `changes failed of ${failures.map(({ identity }) => identity).join(', ')}`,
  ]
  return [role, reading, listening ? null : 'no notification yet', ...trouble].filter(Boolean).join(', ')
}

function showFigures(database, samples) {
  byId('rate').textContent = samples.at(-1)?.messagesPerSecond ?? '–'
  if (!database) return
  const { lag, logBytes, oldestRetainedAt, sockets } = database
  byId('lag').textContent = lag.changes === 0 ? 'none' : duration(lag.seconds)
  byId('waiting').textContent = `${lag.changes.toLocaleString('en')}${lag.orMore ? '+' : ''}`
  byId('clients').textContent = sockets ?? 'at the app'
  byId('log').textContent = bytes(logBytes)
  byId('kept').textContent = oldestRetainedAt ? duration((Date.now() - Date.parse(oldestRetainedAt)) / 1000) : '–'
}

function showPlots(samples) {
  const times = samples.map(({ time }) => time)
  ratePlot.show(
    times,
    samples.map(({ messagesPerSecond }) => messagesPerSecond),
  )
  lagPlot.show(
    times,
    samples.map(({ lagSeconds }) => lagSeconds),
  )
}

function showProblems(inspected) {
  const findings = inspected?.findings ?? []
  byId('problems').replaceChildren(...findings.map(problem))
  byId('problems-empty').hidden = findings.length > 0
  byId('problems-empty').textContent = inspected ? 'The doctor found nothing.' : 'The doctor has not looked yet.'
  byId('checked').textContent = inspected ? checkedText(inspected) : ''
}

function checkedText({ at, failure }) {
  const checked = `checked ${age(at)} ago`
  return failure === null ? checked : `${checked}; looking again failed: ${failure}`
}

function showAge(database) {
  const isOld = database?.isCurrent === false
  byId('age').hidden = !isOld
  if (isOld) byId('age').textContent = `The database does not answer. Its figures are ${age(database.readAt)} old.`
}

function problem({ check, severity, message, detail, repair }) {
  const item = element('li', '')
  item.append(element('strong', check, severity), message)
  if (detail) item.append(folded('where it comes from', detail))
  if (repair?.command) item.append(element('pre', repair.command))
  if (repair?.sql) item.append(folded('as SQL', repair.sql.map(statement => `${statement};`).join('\n')))
  return item
}

function folded(summary, text) {
  const details = element('details', '')
  details.append(element('summary', summary), element('pre', text))
  return details
}

function modelRow({ identity, table, capture, pausedAt, withheld }) {
  const publishing = pausedAt ? `paused since ${time(pausedAt)}, ${withheld} passed over` : 'on'
  return [
    cell(identity),
    cell(table ?? 'dropped', table ? 'code' : 'bad'),
    cell(capture, capture === 'on' ? 'good' : 'bad'),
    cell(publishing, pausedAt ? 'warn' : 'good'),
  ]
}

function nodeRow({ id, role, host, pid, version, sockets, startedAt }) {
  return [
    cell(id.slice(0, 8), 'code'),
    cell(role, { leader: 'good', silent: 'warn' }[role]),
    cell(`${host}, ${pid}`),
    cell(version ?? 'older'),
    cell(sockets ?? '–', 'number'),
    cell(time(startedAt)),
  ]
}

function messageRow({ at, verb, model, id, latencyMs, cursor }) {
  return [
    cell(new Date(at).toLocaleTimeString('en-GB', MOMENT)),
    cell(verb, verb),
    cell(id === null ? model : `${model} ${id}`),
    cell(duration(latencyMs / 1000), 'number'),
    cell(cursor, 'code'),
  ]
}

/** Text only: what comes from the database is never taken for HTML. */
function element(name, text, className = '') {
  const made = document.createElement(name)
  made.textContent = text
  made.className = className
  return made
}

const cell = (text, className) => element('td', text, className)

function rows(id, list) {
  const made = list.map(cells => {
    const row = element('tr', '')
    row.append(...cells)
    return row
  })
  byId(id).replaceChildren(...made)
  const empty = byId(`${id}-empty`)
  if (!empty) return
  empty.hidden = list.length > 0
  byId(id).closest('table').hidden = list.length === 0
}

const age = at => `${Math.max(0, Math.round((Date.now() - at) / 1000))} s`
const time = text => new Date(text).toLocaleString('en-GB')

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3_600).toFixed(1)} h`
}

function bytes(size) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.floor(Math.log(Math.max(size, 1)) / Math.log(1024)))
  return `${(size / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`
}
