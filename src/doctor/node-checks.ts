import type { ModelFailures } from '../leader/node-health.ts'
import type { Node } from '../leader/nodes.ts'
import { checkCatchUps } from './catch-up-checks.ts'
import type { Finding } from './finding.ts'

/** Problems that the nodes report. */
export const checkNodes = (nodes: readonly Node[]): Finding[] => {
  const alive = nodes.filter(({ role }) => role !== 'silent')
  return [
    ...alive.flatMap(outage),
    ...failedModels(alive).map(failure),
    ...alive.flatMap(checkCatchUps),
    ...alive.flatMap(version),
    ...mixed(alive),
  ]
}

/** Finds a feed in an app beside a separate listener, where either may lead depending on which started first. */
function mixed(nodes: readonly Node[]): Finding[] {
  const takers = nodes.filter(({ role }) => role === 'leader' || role === 'standby')
  const listener = takers.find(({ sockets }) => sockets === null)
  const app = takers.find(({ sockets }) => sockets !== null)
  if (!listener || !app) return []
  const message = `Node ${app.host} (process ${app.pid}) runs the feed in an app, and node ${listener.host} (process ${listener.pid}) is a separate listener: either of them may lead. Set \`listener: 'separate'\` in the app's config/changefeed.js, or stop the listener.`
  return [{ check: 'deployment', severity: 'warning', message }]
}

function outage({ host, pid, health }: Node): Finding[] {
  if (!health?.outage) return []
  const { since, reason } = health.outage
  return [
    {
      check: 'publisher',
      severity: 'error',
      message: `Node ${host} (process ${pid}) has published nothing since ${new Date(since).toISOString()}: ${reason} Changes stay in the log until the backend is available again. Start it, and check its address in the app or in CHANGEFEED_REDIS_URL.`,
    },
  ]
}

/** Nodes that publish to their own sockets fail on the same changes, so the highest count of any node is used. */
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
    message: `Model \`${identity}\`: within the last hour ${changes} could not be published completely, the last at ${new Date(at).toISOString()}. Clients of the model received refetch instead. ${reason}`,
    ...(stack !== null && { detail: stack }),
  }
}

/** Nodes publish in the way of their own version. */
function version({ host, pid, version }: Node, _index: number, nodes: readonly Node[]): Finding[] {
  const versions = [...new Set(nodes.map(node => node.version ?? 'older'))]
  const newest = versions.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true })).find(each => each !== 'older')
  if (newest === undefined || version === newest) return []
  const message = `Node ${host} (process ${pid}) runs ${version ?? 'an older version'}, and another runs ${newest}. Update it.`
  return [{ check: 'version', severity: 'warning', message }]
}
