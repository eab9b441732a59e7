import { byId, element } from '/page/element.js'
import { EXAMPLES } from './examples.js'
import { formatMs } from './messages.js'
import { headersWith } from './tools.js'

/** The form for SQL. */
export class SqlBox {
  #token
  #startWrite

  constructor(token, startWrite) {
    this.#token = token
    this.#startWrite = startWrite
    const [form, box] = [byId('sql-form'), byId('sql')]
    box.value = EXAMPLES[0].sql
    for (const { title, sql } of EXAMPLES) byId('examples').append(exampleButton(title, sql, box, form))
    if (navigator.platform.startsWith('Mac')) byId('sql-keys').firstElementChild.textContent = '⌘'
    box.addEventListener('keydown', event => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      form.requestSubmit()
    })
    form.addEventListener('submit', event => {
      event.preventDefault()
      void this.run(box.value)
    })
  }

  async run(sql) {
    this.#startWrite()
    byId('run').disabled = true
    byId('outcome').textContent = 'Running'
    try {
      show(await send(sql, this.#token), sql)
    } catch {
      show({ error: { message: 'No response from the demo. Is it still running?' } }, sql)
    } finally {
      byId('run').disabled = false
    }
  }
}

function exampleButton(title, sql, box, form) {
  const button = element('button', { type: 'button', title: sql }, title)
  button.addEventListener('click', () => {
    box.value = sql
    form.requestSubmit()
  })
  return button
}

async function send(sql, token) {
  const response = await fetch('/sql', { method: 'POST', headers: headersWith(token), body: JSON.stringify({ sql }) })
  return await response.json()
}

function show({ statements = [], notes = [], error, durationMs }, sql) {
  byId('outcome').textContent = `${outcome(statements, error)}${durationMs ? ` · ${formatMs(durationMs)}` : ''}`
  byId('sql-results').replaceChildren(
    ...(error ? [errorText(error, sql)] : []),
    ...statements.filter(({ columns }) => columns.length > 0).map(resultTable),
    ...notes.map(note => element('p', { className: 'note' }, note)),
  )
}

function outcome(statements, error) {
  if (error) return 'Failed'
  if (statements.length === 0) return 'No statement to run'
  const [last] = statements.slice(-1)
  if (statements.length > 1)
    return `${statements.length} statements: ${statements.map(({ command }) => command).join(', ')}`
  return /^(INSERT|UPDATE|DELETE|SELECT)$/.test(last.command)
    ? `${last.command}, ${last.rowCount} ${last.rowCount === 1 ? 'row' : 'rows'}`
    : last.command
}

function errorText({ message, detail, hint, position }, sql) {
  const more = [detail, hint && `Hint: ${hint}`].filter(Boolean).map(text => `\n${text}`)
  const where = position ? element('pre', {}, pointer(sql, position)) : null
  return element('div', { className: 'error', role: 'alert' }, element('strong', {}, message), ...more, where)
}

/** The line of SQL with the error, and a caret under the position. */
function pointer(sql, position) {
  const before = [...sql].slice(0, position - 1).join('')
  const line = sql.split('\n')[before.split('\n').length - 1] ?? ''
  const column = before.length - before.lastIndexOf('\n') - 1
  return `${line}\n${' '.repeat(column)}^`
}

function resultTable({ columns, rows, rowCount }) {
  const head = element('tr', {}, ...columns.map(name => element('th', { scope: 'col' }, name)))
  const body = rows.map(row => element('tr', {}, ...row.map(valueCell)))
  const table = element('table', {}, element('thead', {}, head), element('tbody', {}, ...body))
  const shown = element('div', { className: 'result', tabIndex: 0, role: 'region', ariaLabel: 'Result' }, table)
  if (rows.length === rowCount) return shown
  return element('div', {}, shown, element('p', { className: 'note' }, `The first ${rows.length} of ${rowCount} rows.`))
}

const valueCell = value =>
  value === null ? element('td', {}, element('span', { className: 'null' }, 'null')) : element('td', {}, value)
