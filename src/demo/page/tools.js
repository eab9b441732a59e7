import { byId } from '/page/element.js'

const COPIED_MS = 1_500

/** Sets up the tools of the page: copy the psql command, reset the data, clear the messages. */
export function tools({ token, database, psql }, { clear }) {
  byId('database').textContent = database
  byId('psql').textContent = psql
  byId('copy').addEventListener('click', () => void copy(psql))
  byId('reset').addEventListener('click', () => void reset(token))
  byId('clear').addEventListener('click', clear)
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    showLabel('Copied')
  } catch {
    getSelection()?.selectAllChildren(byId('psql'))
    showLabel('Selected')
  }
}

function showLabel(text) {
  byId('copy').textContent = text
  setTimeout(() => {
    byId('copy').textContent = 'Copy'
  }, COPIED_MS)
}

async function reset(token) {
  byId('reset').disabled = true
  try {
    const response = await fetch('/reset', { method: 'POST', headers: headersWith(token), body: '{}' })
    const { error } = await response.json()
    byId('outcome').textContent = error?.message ?? 'The data has been reset.'
  } catch {
    byId('outcome').textContent = 'No response from the demo. Is it still running?'
  } finally {
    byId('reset').disabled = false
  }
}

/** Headers that the demo requires for writing requests. */
export const headersWith = token => ({ 'content-type': 'application/json', 'x-demo-token': token })
