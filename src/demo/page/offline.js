import { byId } from '/page/element.js'

/** Disconnects the sockets of both panes and connects them again, and counts the messages that were missed meanwhile. */
export class OfflineSwitch {
  isOn = false
  #missed = 0
  #sockets
  #button = byId('offline')

  constructor(sockets) {
    this.#sockets = sockets
    this.#button.addEventListener('click', () => this.#toggle())
  }

  /** A message has been handed over late. */
  missed() {
    this.#missed++
  }

  /** Everything that was missed has been handed over. */
  caughtUp() {
    if (this.#missed === 0) return
    this.#say(`Caught up: ${this.#missed} missed ${this.#missed === 1 ? 'message' : 'messages'}, in order.`)
    this.#missed = 0
  }

  #toggle() {
    this.isOn = !this.isOn
    this.#button.setAttribute('aria-pressed', String(this.isOn))
    this.#button.textContent = this.isOn ? 'Go online' : 'Go offline'
    this.#say(this.isOn ? 'Offline: write something, then go online.' : '')
    // The raw socket, as after a lost connection: reconnect() of sails.io.js would make another, without the handlers.
    for (const { _raw: raw } of this.#sockets) {
      if (this.isOn) raw.disconnect()
      else raw.connect()
    }
  }

  #say(text) {
    byId('caught-up').textContent = text
  }
}
