import { byId, element } from '/page/element.js'
import { age, bytes, duration, moment, time } from '/page/format.js'
import { ModelTable } from '/page/models.js'
import { OperationDialog } from '/page/operation-dialog.js'
import { pausing } from '/page/pausing.js'
import { Plot } from '/page/plot.js'
import { replaying, showReplay, stopping } from '/page/replaying.js'
import { cell, showRows } from '/page/table.js'

const POLL_MS = 2_000

const ratePlot = new Plot(byId('rate-plot'), 'messages per second')
const lagPlot = new Plot(byId('lag-plot'), 'lag')
const dialog = new OperationDialog(() => void refresh())
const modelTable = new ModelTable(model => dialog.open(pausing(model)))
let last

byId('open-replay').addEventListener('click', () => {
  dialog.open(replaying([...new Set(last.database.models.map(({ identity }) => identity))], last.operations.by))
})
byId('stop-replay').addEventListener('click', () => dialog.open(stopping()))

await poll()

async function poll() {
  await refresh()
  setTimeout(poll, POLL_MS)
}

async function refresh() {
  try {
    const response = await fetch('/status.json', { cache: 'no-store' })
    if (response.redirected || response.status === 401) return location.assign('/sign-in')
    if (!response.ok) throw new Error(response.statusText)
    last = await response.json()
    show(last)
  } catch {
    showState('lost', 'No response from the listener')
  }
}

function show({ feed, database, samples, recent, inspected, signedIn, operations }) {
  byId('sign-out').hidden = !signedIn
  showState(stateColour(feed), stateText(feed))
  showFigures(database, samples)
  showPlots(samples)
  showProblems(inspected)
  showAge(database)
  showOperations(operations, database)
  if (database) {
    modelTable.show(database.models, operations.allowed)
    showRows('nodes', database.nodes.map(nodeRow))
    byId('consumers-panel').hidden = database.consumers.length === 0
    showRows('consumers', database.consumers.map(consumerRow))
  }
  showRows('recent', recent.map(messageRow))
}

function showState(state, text) {
  byId('state').dataset.state = state
  byId('state').textContent = text
}

function stateColour({ state, outage, failures }) {
  return state === 'running' && (outage || failures.length > 0) ? 'troubled' : state
}

function stateText({ state, role, mode, listening, outage, failures }) {
  if (state !== 'running') return state === 'reconnecting' ? 'Reconnecting to the database' : state
  const reading = { asleep: 'asleep until a NOTIFY', polling: 'polling', closing: 'going to sleep' }[mode]
  const trouble = [
    outage && `publisher backend unavailable since ${time(outage.since)}`,
    failures.length > 0 && `publishing failed for changes of ${failures.map(({ identity }) => identity).join(', ')}`,
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
  byId('problems-empty').textContent = inspected ? 'The doctor found no problems.' : 'The doctor has not run yet.'
  byId('checked').textContent = inspected ? checkedText(inspected) : ''
}

function checkedText({ at, failure }) {
  const checked = `checked ${age(at)} ago`
  return failure === null ? checked : `${checked}; the last check failed: ${failure}`
}

function showAge(database) {
  const isOld = database?.isCurrent === false
  byId('age').hidden = !isOld
  if (isOld) byId('age').textContent = `The database does not respond. The figures are ${age(database.readAt)} old.`
}

function showOperations({ allowed, replay }, database) {
  byId('locked').hidden = allowed
  byId('open-replay').hidden = !allowed || !database || database.models.length === 0
  showReplay(replay)
}

function problem({ check, severity, message, detail, repair }) {
  return element(
    'li',
    {},
    element('strong', { className: 'severity', dataset: { severity } }, check),
    message,
    detail ? folded('details', detail) : null,
    repair?.command ? element('pre', {}, repair.command) : null,
    repair?.sql ? folded('as SQL', repair.sql.map(statement => `${statement};`).join('\n')) : null,
  )
}

const folded = (summary, text) => element('details', {}, element('summary', {}, summary), element('pre', {}, text))

function nodeRow({ id, role, host, pid, version, sockets, startedAt }) {
  return [
    cell(id.slice(0, 8), 'mono'),
    cell(role, { leader: 'good', silent: 'warn' }[role]),
    cell(`${host}, ${pid}`),
    cell(version ?? 'older'),
    cell(sockets ?? '–', 'number'),
    cell(time(startedAt)),
  ]
}

function consumerRow({ name, connected, lag, updatedAt }) {
  return [
    cell(name),
    cell(connected ? 'yes' : 'no', connected ? '' : 'warn'),
    cell(`${lag.changes.toLocaleString('en')}${lag.orMore ? '+' : ''}`, 'number'),
    cell(lag.changes === 0 ? 'none' : duration(lag.seconds), 'number'),
    cell(time(updatedAt)),
  ]
}

function messageRow({ at, verb, model, id, latencyMs, cursor }) {
  return [
    cell(moment(at)),
    cell(verb, `verb ${verb}`),
    cell(id === null ? model : `${model} ${id}`),
    cell(duration(latencyMs / 1000), 'number'),
    cell(cursor, 'mono'),
  ]
}
