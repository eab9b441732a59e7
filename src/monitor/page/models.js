import { byId, element } from '/page/element.js'
import { count, time } from '/page/format.js'
import { cell, showRows } from '/page/table.js'

/** The table of models. Redrawn only when its data changes, so that buttons are not replaced while they are pressed. */
export class ModelTable {
  #operate
  #drawn = ''

  /** `operate` is called with the model of the pressed button. */
  constructor(operate) {
    this.#operate = operate
  }

  show(models, isOperable) {
    const state = JSON.stringify([models, isOperable])
    if (state === this.#drawn) return
    this.#drawn = state
    const focused = document.activeElement?.dataset.model
    showRows(
      'models',
      models.map(model => this.#row(model, isOperable)),
    )
    if (focused !== undefined)
      byId('models')
        .querySelector(`[data-model="${CSS.escape(focused)}"]`)
        ?.focus()
  }

  #row(model, isOperable) {
    const { identity, table, capture, pausedAt, withheld } = model
    const publishing = pausedAt ? `paused since ${time(pausedAt)}, ${count(withheld, 'change')} passed over` : 'on'
    return [
      cell(identity),
      cell(table ?? 'dropped', table ? 'mono' : 'bad'),
      cell(capture, capture === 'on' ? 'good' : 'bad'),
      cell(publishing, pausedAt ? 'warn' : 'good'),
      element('td', { className: 'action' }, isOperable ? this.#button(model) : null),
    ]
  }

  #button(model) {
    const { identity, pausedAt } = model
    const name = pausedAt ? 'Resume' : 'Pause'
    const button = element(
      'button',
      { type: 'button', className: 'small', ariaLabel: `${name} ${identity}`, dataset: { model: identity } },
      name,
    )
    button.addEventListener('click', () => this.#operate(model))
    return button
  }
}
