import { byId, element } from '/page/element.js'

export const cell = (text, className = '') => element('td', { className }, String(text))

/** Shows rows of cells in a table, or its placeholder if there are none. Cells get labels for narrow pages. */
export function showRows(id, rows) {
  const titles = [...byId(id).closest('table').querySelectorAll('thead th')].map(title => title.textContent)
  for (const cells of rows) for (const [index, each] of cells.entries()) each.dataset.label = titles[index]
  byId(id).replaceChildren(...rows.map(cells => element('tr', {}, ...cells)))
  byId(`${id}-empty`).hidden = rows.length > 0
  byId(id).closest('.scroll').hidden = rows.length === 0
}
