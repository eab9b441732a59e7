import { byId } from '/page/element.js'

/** Only kept in memory while the page is open. */
let token = null

/**
 * Confirms an operation and asks for the token if it is not known or was wrong. An operation has steps: `run` of a step sends
 * requests and returns the next step, or nothing after the last one.
 */
export class OperationDialog {
  #dialog = byId('operation')
  #token = byId('operation-token')
  #submit = byId('operation-submit')
  #first
  #step
  #done
  #isBusy = false
  /** Number of edits, to discard a step for outdated fields. */
  #edits = 0

  /** `done` is called after each operation. */
  constructor(done) {
    this.#done = done
    byId('operation-form').addEventListener('submit', event => {
      event.preventDefault()
      void this.#run()
    })
    byId('operation-cancel').addEventListener('click', () => this.#dialog.close())
    byId('operation-fields').addEventListener('input', () => {
      this.#edits++
      this.#take(this.#first)
    })
  }

  open({ title, text, fields = [], step }) {
    byId('operation-title').textContent = title
    byId('operation-text').textContent = text
    byId('operation-fields').replaceChildren(...fields)
    this.#first = step
    this.#take(step)
    this.#askForToken(token === null)
    this.#dialog.showModal()
  }

  #take(step) {
    this.#step = step
    this.#submit.textContent = step.label
    byId('operation-result').replaceChildren(...(step.result ?? []))
    this.#showError('')
  }

  async #run() {
    if (this.#isBusy) return
    const given = token ?? this.#token.value
    const edits = this.#edits
    this.#setBusy(true)
    this.#showError('')
    this.#showTokenError('')
    try {
      const next = await this.#step.run((path, body) => send(path, body, given))
      token = given
      this.#askForToken(false)
      if (!next) this.#finish()
      else if (edits === this.#edits) this.#take(next)
    } catch (error) {
      this.#showFailure(error)
    } finally {
      this.#setBusy(false)
    }
  }

  #finish() {
    this.#dialog.close()
    this.#done()
  }

  /** The button is not disabled, because it would lose the focus. */
  #setBusy(isBusy) {
    this.#isBusy = isBusy
    this.#submit.ariaBusy = String(isBusy)
  }

  #showFailure({ status, message }) {
    if (status !== 401 && status !== 429) return this.#showError(message)
    token = null
    this.#askForToken(true)
    this.#showTokenError(message)
    this.#token.select()
  }

  #askForToken(needed) {
    byId('operation-token-field').hidden = !needed
    this.#token.value = needed ? this.#token.value : ''
    this.#showTokenError('')
  }

  #showTokenError(message) {
    byId('operation-token-error').textContent = message
    this.#token.ariaInvalid = message === '' ? null : 'true'
  }

  #showError(message) {
    byId('operation-error').textContent = message
    byId('operation-error').hidden = message === ''
  }
}

/** Sends the token in a header, which browsers do not add to requests of other pages, unlike cookies. */
async function send(path, body, authorization) {
  if (authorization === '') throw new Refusal(401, 'Enter the token.')
  const response = await fetch(`/operations/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${authorization}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new Refusal(0, 'No response from the listener.')
  })
  const answer = await response.json()
  if (!response.ok) throw new Refusal(response.status, answer.error.message)
  return answer
}

export class Refusal extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}
