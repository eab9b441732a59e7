import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import type { InstallationPlan } from '../installation.ts'
import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import { checkCapture } from './capture-checks.ts'
import type { Finding } from './finding.ts'
import { checkIndexes } from './index-checks.ts'
import { inspect } from './inspect.ts'
import type { Inspection } from './inspection.ts'
import { checkLog } from './log-checks.ts'
import { checkSecrets } from './secret-checks.ts'
import { checkServer } from './server-checks.ts'

/** All findings, errors first. */
export const checkAll = (inspection: Inspection): Finding[] =>
  [checkServer, checkCapture, checkLog, checkIndexes, checkSecrets]
    .flatMap(check => check(inspection))
    .sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'))

export interface Examination {
  readonly findings: readonly Finding[]
  /** The installation plan; null if it could not be made. */
  readonly plan: InstallationPlan | null
}

/** Checks everything from the models to the publisher. Throws `E_CONNECT` and `E_MODEL`. */
export async function examine(db: Database, settings: Settings, models: Models): Promise<Examination> {
  try {
    const inspection = await inspect(db, settings, models)
    return { findings: checkAll(inspection), plan: inspection.plan }
  } catch (error) {
    const check = error instanceof ChangefeedError ? CHECKS[error.code] : undefined
    if (check === undefined) throw error
    return { findings: [{ check, severity: 'error', message: (error as ChangefeedError).message }], plan: null }
  }
}

/** Errors that prevent further checks, by the check that they fail. */
const CHECKS: Partial<Record<string, string>> = {
  E_POOLER: 'pooler',
  E_VERSION: 'version',
  E_PRIVILEGE: 'rights',
  E_SCHEMA_OWNER: 'rights',
}
