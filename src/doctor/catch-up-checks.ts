import type { Node } from '../leader/nodes.ts'
import type { Finding } from './finding.ts'

/** Below both, clients that read everything again are exceptions. */
const [COUNT_MIN, SHARE_MIN] = [10, 0.1]

/** By outcome: the reason, and the remedy. */
const CAUSES: Readonly<Record<string, string>> = {
  tooMuch:
    'there was more than one client may receive. Raise `catchUp.maxMessages` and `catchUp.maxBytes` if they can take it.',
  tooMany: 'too many of them returned at once. Raise `catchUp.concurrentClients`, or add nodes.',
  tooOld: 'they returned later than the change log reaches back. Raise `retentionMs`.',
  expired:
    'they announced themselves with `changefeed=1` and did not ask within 30 s. Let the client request /changefeed/since once it has subscribed.',
  failed: 'the change log could not be read. See the errors in the log of the process.',
}

/** Nodes whose returning clients often receive a gap instead of what they missed. */
export function checkCatchUps({ host, pid, health }: Node): Finding[] {
  const { catchUps } = health ?? {}
  if (!catchUps) return []
  const total = Object.values(catchUps).reduce((sum, count) => sum + count, 0)
  return Object.entries(CAUSES).flatMap(([outcome, cause]) => {
    const count = catchUps[outcome] ?? 0
    if (count < COUNT_MIN || count < total * SHARE_MIN) return []
    const message = `Node ${host} (process ${pid}): within the last hour ${count} of ${total} sockets that asked for what they missed did not receive it, but read everything again, because ${cause}`
    return { check: 'catch-up', severity: 'warning', message } as const
  })
}
