import type { Publisher } from './publisher.ts'

type OptionalMethod = Exclude<keyof Publisher, 'publish'>

/** The type asks for a name that is missing here. */
const OPTIONAL_METHODS: Readonly<Record<OptionalMethod, true>> = {
  drained: true,
  check: true,
  hasReceivers: true,
  sockets: true,
}

/** A publisher that differs in `publish` alone: it has every other method that `publisher` has, and no more. */
export function wrapPublisher(publisher: Publisher, publish: Publisher['publish']): Publisher {
  const names = Object.keys(OPTIONAL_METHODS) as OptionalMethod[]
  return { publish, ...Object.fromEntries(names.flatMap(name => bound(publisher, name))) }
}

function bound(publisher: Publisher, name: OptionalMethod) {
  const method: unknown = publisher[name]
  return typeof method === 'function' ? [[name, method.bind(publisher)] as const] : []
}
