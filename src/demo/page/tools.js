import { byId } from '/page/element.js'

const COPIED_MS = 1_500

/** What stands beside the writing: a command to copy, reset, clear. */
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
    say('Copied')
  } catch {
    getSelection()?.selectAllChildren(byId('psql'))
    say('Selected')
  }
}

function say(text) {
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
    byId('outcome').textContent = error?.message ?? 'The data is as at the start.'
  } catch {
    byId('outcome').textContent = 'The demo does not answer. Is it still running?'
  } finally {
    byId('reset').disabled = false
  }
}

/** What the demo asks of each request that writes. */
export const headersWith = token => ({ 'content-type': 'application/json', 'x-demo-token': token })
