/** An element with properties and children. Text is always text: no markup comes from data. */
export function element(name, { dataset, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  Object.assign(made.dataset, dataset)
  made.append(...children.filter(child => child !== null))
  return made
}

/** The element of an id that the page is known to have. */
export const byId = id => document.getElementById(id)
