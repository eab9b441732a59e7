import { expect, test } from 'vitest'
import { checkCatchUps } from '../../../src/doctor/catch-up-checks.ts'
import type { Node } from '../../../src/leader/nodes.ts'

const found = (catchUps?: Record<string, number>) => {
  const health = { lag: null, outage: null, failures: [], ...(catchUps && { catchUps }) }
  return checkCatchUps({ host: 'web', pid: 7, health } as unknown as Node)
}

test.each([
  [undefined],
  [{}],
  [{ complete: 5_000, otherEpoch: 9_000, declared: 40, refused: 3_000, malformed: 9, disconnected: 50 }],
  [{ complete: 1, tooMuch: 9 }],
  [{ complete: 1_000, tooMuch: 99 }],
])('nothing is reported for %j', catchUps => expect(found(catchUps)).toEqual([]))

test.each([
  ['tooMuch', '`catchUp.maxMessages` and `catchUp.maxBytes`'],
  ['tooMany', '`catchUp.concurrentClients`'],
  ['tooOld', '`retentionMs`'],
  ['expired', '/changefeed/since'],
  ['failed', 'could not be read'],
])('where many sockets end with %s, the remedy is named', (outcome, remedy) => {
  expect(found({ complete: 90, [outcome]: 12 })).toEqual([
    {
      check: 'catch-up',
      severity: 'warning',
      message: expect.stringMatching(/^Node web \(process 7\): within the last hour 12 of 102 sockets /),
    },
  ])
  expect(found({ complete: 90, [outcome]: 12 })[0]?.message).toContain(remedy)
})
