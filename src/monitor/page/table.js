import { byId, element } from '/page/element.js'

export const cell = (text, className = '') => element('td', { className }, String(text))

/** Shows rows of cells in the table of an id, or in its place that there are none. A narrow page shows the labels. */
export function showRows(id, rows) {
  const titles = [...byId(id).closest('table').querySelectorAll('thead th')].map(title => title.textContent)
  for (const cells of rows) for (const [index, each] of cells.entries()) each.dataset.label = titles[index]
  byId(id).replaceChildren(...rows.map(cells => element('tr', {}, ...cells)))
  byId(`${id}-empty`).hidden = rows.length > 0
  byId(id).closest('.scroll').hidden = rows.length === 0
}
