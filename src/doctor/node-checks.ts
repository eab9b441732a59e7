import type { ModelFailures } from '../leader/node-health.ts'
import type { Node } from '../leader/nodes.ts'
import type { Finding } from './finding.ts'

/** What the nodes themselves say of their publishing. */
export const checkNodes = (nodes: readonly Node[]): Finding[] => {
  const alive = nodes.filter(({ role }) => role !== 'silent')
  return [...alive.flatMap(outage), ...failedModels(alive).map(failure), ...alive.flatMap(version), ...mixed(alive)]
}

/** Which of them publishes would depend on which started first. */
function mixed(nodes: readonly Node[]): Finding[] {
  const takers = nodes.filter(({ role }) => role === 'leader' || role === 'standby')
  const listener = takers.find(({ sockets }) => sockets === null)
  const app = takers.find(({ sockets }) => sockets !== null)
  if (!listener || !app) return []
  const message = `Node ${app.host} (process ${app.pid}) runs the feed in an app, and node ${listener.host} (process ${listener.pid}) is a listener beside it: either of them may lead. Set \`listener: 'separate'\` in the app's config/changefeed.js, or stop the listener.`
  return [{ check: 'deployment', severity: 'warning', message }]
}

function outage({ host, pid, health }: Node): Finding[] {
  if (!health?.outage) return []
  const { since, reason } = health.outage
  return [
    {
      check: 'publisher',
      severity: 'error',
      message: `Node ${host} (process ${pid}) has published nothing since ${new Date(since).toISOString()}: ${reason} Changes wait in the log, and are published when the backend is back. Start it, and check its address in the app or in CHANGEFEED_REDIS_URL.`,
    },
  ]
}

/** Each node that publishes to its own sockets meets the same changes: the one that met the most stands for all. */
function failedModels(nodes: readonly Node[]): ModelFailures[] {
  const models = new Map<string, ModelFailures>()
  for (const each of nodes.flatMap(({ health }) => health?.failures ?? [])) {
    if (each.count > (models.get(each.identity)?.count ?? 0)) models.set(each.identity, each)
  }
  return [...models.values()]
}

function failure({ identity, count, at, reason, stack }: ModelFailures): Finding {
  const changes = count === 1 ? '1 change' : `${count} changes`
  return {
    check: 'failures',
    severity: 'warning',
    message: `Model \`${identity}\`: within the last hour ${changes} could not be published completely, the last at ${new Date(at).toISOString()}. Clients of the model read their records again instead. ${reason}`,
    ...(stack !== null && { detail: stack }),
  }
}

/** Each node publishes as its own version does. */
function version({ host, pid, version }: Node, _index: number, nodes: readonly Node[]): Finding[] {
  const versions = [...new Set(nodes.map(node => node.version ?? 'older'))]
  const newest = versions.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true })).find(each => each !== 'older')
  if (newest === undefined || version === newest) return []
  const message = `Node ${host} (process ${pid}) runs ${version ?? 'an older version'}, and another runs ${newest}. Update it.`
  return [{ check: 'version', severity: 'warning', message }]
}
