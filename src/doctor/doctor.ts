import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import type { Models } from '../ontology/model.ts'
import type { Settings } from '../options.ts'
import { checkCapture } from './capture-checks.ts'
import type { Finding } from './finding.ts'
import { inspect } from './inspect.ts'
import type { Inspection } from './inspection.ts'
import { checkLog } from './log-checks.ts'
import { checkServer } from './server-checks.ts'

/** Errors first. */
export const checkAll = (inspection: Inspection): Finding[] =>
  [...checkServer(inspection), ...checkCapture(inspection), ...checkLog(inspection)].sort(
    (a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'),
  )

/** Looks at everything between the models and the clients. Throws `E_CONNECT` and `E_MODEL`. */
export async function examine(db: Database, settings: Settings, models: Models): Promise<Finding[]> {
  try {
    return checkAll(await inspect(db, settings, models))
  } catch (error) {
    const isFinding = error instanceof ChangefeedError && (error.code === 'E_VERSION' || error.code === 'E_PRIVILEGE')
    if (!isFinding) throw error
    return [{ check: error.code === 'E_VERSION' ? 'version' : 'rights', severity: 'error', message: error.message }]
  }
}
