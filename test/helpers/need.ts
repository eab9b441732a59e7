import { beforeAll, beforeEach, inject, TestRunner } from 'vitest'
import type { Prerequisites } from './prerequisites/find.ts'
import type { Program } from './prerequisites/program.ts'

/** The program. Where it is missing, the running test is skipped with the reason; in CI, where nothing is skipped, it fails. */
export function need(name: keyof Prerequisites): Program {
  const found = inject('prerequisites')[name]
  if (!('missing' in found)) return found
  if (!process.env.CI) TestRunner.getCurrentTest()?.context.skip(found.missing)
  throw new Error(found.missing)
}

/** `beforeAll` for files whose tests all need the program. */
export function beforeAllWith(name: keyof Prerequisites, prepare: () => Promise<void>) {
  beforeAll(async () => {
    if (!('missing' in inject('prerequisites')[name])) await prepare()
  })
  beforeEach(() => void need(name))
}
