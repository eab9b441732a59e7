import type { Publisher } from './publisher.ts'

type OptionalMethod = Exclude<keyof Publisher, 'publish'>

/** Typed so that a new optional method of `Publisher` must be added here. */
const OPTIONAL_METHODS: Readonly<Record<OptionalMethod, true>> = {
  drained: true,
  check: true,
  hasReceivers: true,
  sent: true,
  skipped: true,
  sockets: true,
}

/** Replaces `publish` of a publisher. The other methods that it has are kept, and none is added. */
export function wrapPublisher(publisher: Publisher, publish: Publisher['publish']): Publisher {
  const names = Object.keys(OPTIONAL_METHODS) as OptionalMethod[]
  return { publish, ...Object.fromEntries(names.flatMap(name => bound(publisher, name))) }
}

function bound(publisher: Publisher, name: OptionalMethod) {
  const method: unknown = publisher[name]
  return typeof method === 'function' ? [[name, method.bind(publisher)] as const] : []
}
