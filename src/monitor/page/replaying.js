import { byId, element } from '/page/element.js'
import { count, time } from '/page/format.js'
import { Refusal } from '/page/operation-dialog.js'
import { cell } from '/page/table.js'

const ENDS = { done: 'finished', stopped: 'was stopped', failed: 'failed' }

/** The dialog that replays changes: it first counts them, then offers to publish them. */
export function replaying(identities, by) {
  const since = element('input', { type: 'text', id: 'since', value: '10m', autocomplete: 'off', spellcheck: false })
  since.setAttribute('aria-describedby', 'since-hint')
  const choices = identities.map(identity => choice(identity))
  const request = () => requestOf(since.value.trim(), choices)
  return {
    title: 'Replay',
    text: `Publishes past changes again, marked as replayed, to the currently subscribed clients (through ${by}).`,
    fields: [
      element(
        'div',
        { className: 'field' },
        element('label', { htmlFor: 'since' }, 'Since'),
        since,
        element('p', { className: 'aside', id: 'since-hint' }, SINCE_HINT),
      ),
      element(
        'fieldset',
        { className: 'field' },
        element('legend', {}, 'Models'),
        element('div', { className: 'choices' }, ...choices.map(({ label }) => label)),
      ),
    ],
    step: { label: 'Count changes', run: send => countChanges(send, request()) },
  }
}

const SINCE_HINT = 'A duration (10m, 2h), a time (2026-01-31T12:00:00Z), or the cursor of a message.'

function choice(identity) {
  const box = element('input', { type: 'checkbox', value: identity, checked: true })
  return { box, label: element('label', {}, box, identity) }
}

function requestOf(since, choices) {
  const models = choices.filter(({ box }) => box.checked).map(({ box }) => box.value)
  if (since === '') throw new Refusal(0, 'Enter a start.')
  if (models.length === 0) throw new Refusal(0, 'Choose a model.')
  return { since, models }
}

/** Counts changes. The next step publishes exactly these, because the server has resolved the range. */
async function countChanges(send, request) {
  const { since, until, total, counts } = await send('replay/count', request)
  if (total === 0) throw new Refusal(0, 'The change log has no changes of these models since then.')
  const replay = { ...request, since, until }
  return {
    label: `Replay ${count(total, 'change')}`,
    result: [element('p', {}, `${count(total, 'change')} will be published again:`), countTable(counts)],
    run: async sendAgain => void (await sendAgain('replay', replay)),
  }
}

function countTable(counts) {
  const titles = ['Model', 'Operation', 'Changes'].map((title, index) =>
    element('th', { className: index === 2 ? 'number' : '' }, title),
  )
  const rows = counts.map(({ model, operation, changes }) =>
    element('tr', {}, cell(model), cell(operation), cell(changes.toLocaleString('en'), 'number')),
  )
  const table = element('table', {}, element('thead', {}, element('tr', {}, ...titles)), element('tbody', {}, ...rows))
  return element('div', { className: 'scroll' }, table)
}

export const stopping = () => ({
  title: 'Stop the replay',
  text: 'It stops after the change that is being published. Messages already sent are not revoked.',
  step: { label: 'Stop the replay', run: async send => void (await send('replay/stop', {})) },
})

/** Shows the current or the last replay. */
export function showReplay(replay) {
  byId('replay').hidden = !replay
  if (!replay) return
  const { state, total, done } = replay
  const runs = state === 'running' || state === 'stopping'
  byId('replay-text').textContent = progressText(replay)
  byId('replay-bar').hidden = !runs
  byId('replay-bar').max = Math.max(total, 1)
  byId('replay-bar').value = done
  byId('stop-replay').hidden = state !== 'running'
}

function progressText({ state, models, total, done, endedAt, failure }) {
  const of = `of ${models.join(', ')}`
  const sent = `${done.toLocaleString('en')} of ${count(total, 'change')} sent`
  if (endedAt === null) return `${state === 'stopping' ? 'Stopping the replay' : 'Replay'} ${of}: ${sent}`
  return `Replay ${of} ${ENDS[state]} at ${time(endedAt)}: ${sent}${failure ? `. ${failure}` : ''}`
}
