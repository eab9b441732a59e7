import { setTimeout as sleep } from 'node:timers/promises'
import { readTableShapes } from '../db/catalog.ts'
import type { Queryable } from '../db/connect.ts'
import { ownObjects, revokeForeignRights } from '../db/foreign-rights.ts'
import { LOCK_ATTEMPT_MS, LOCK_PAUSE_MS, lockInstallation } from '../db/installation-lock.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import type { TableShape } from '../db/table-shape.ts'
import { ChangefeedError } from '../errors.ts'
import type { Models } from '../models/model.ts'
import type { CaptureOptions, InstallFlags } from './capture-options.ts'
import { inspectCapture } from './inspect.ts'
import { type CapturePlan, type CaptureStep, pendingSteps, planCapture, planRemoval } from './plan.ts'

export interface InstallOptions extends CaptureOptions, InstallFlags {
  /** How long to wait for locks on the app's tables, in milliseconds. @default 5_000 */
  readonly lockTimeoutMs?: number
}

/** Reads the catalog and plans. Changes nothing; our schema need not exist. */
export async function readCapturePlan(
  db: Queryable,
  models: Models,
  options: CaptureOptions & InstallFlags,
): Promise<CapturePlan> {
  const shapes = await readShapes(db, models)
  const oids = [...shapes.values()].map(({ oid }) => oid)
  const installed = await inspectCapture(db, options, oids)
  return planCapture({ models, shapes, installed, options })
}

/**
 * Captures these models in one transaction, and returns the plan that was applied. Takes no lock if nothing is pending.
 * `db` is one connection without an open transaction.
 *
 * Throws the code of the plan's first problem, `E_LOCKED` if a table stays locked, `E_NOT_INSTALLED` without our
 * schema. Nothing has been changed then.
 */
export async function installCapture(db: Queryable, models: Models, options: InstallOptions): Promise<CapturePlan> {
  const plan = await readCapturePlan(db, models, options)
  refuseProblems(plan)
  return pendingSteps(plan).length === 0 ? plan : await applyCapture(db, models, options)
}

/** As {@link installCapture}, for a caller whose plan has pending steps. */
export async function applyCapture(db: Queryable, models: Models, options: InstallOptions): Promise<CapturePlan> {
  return await applyAlone(db, options, () => readCapturePlan(db, models, options))
}

/** Removes all our triggers and functions, and keeps the log. Otherwise as {@link installCapture}. */
export async function uninstallCapture(db: Queryable, options: ApplyOptions): Promise<CapturePlan> {
  const { schema } = options
  const { migrated } = await inspectCapture(db, options, [])
  if (!migrated) return { steps: [], problems: [], warnings: [] }
  return await applyAlone(db, options, async () => planRemoval(await inspectCapture(db, options, []), schema))
}

async function readShapes(db: Queryable, models: Models): Promise<Map<string, TableShape>> {
  const names = [...models.values()].map(({ schema, table }) => ({ schema, name: table }))
  const shapes = await readTableShapes(db, names)
  const found = [...models.keys()].map((identity, index) => [identity, shapes[index]] as const)
  return new Map(found.flatMap(([identity, shape]) => (shape ? [[identity, shape] as const] : [])))
}

type ApplyOptions = Pick<InstallOptions, 'schema' | 'schemaOwner' | 'lockTimeoutMs'>

/** Runs in one process at a time. A concurrent process plans on the result of the first. */
async function applyAlone(
  db: Queryable,
  options: ApplyOptions,
  makePlan: () => Promise<CapturePlan>,
): Promise<CapturePlan> {
  await db.query('begin')
  try {
    await lockOthersOut(db, options)
    const plan = await makePlan()
    refuseProblems(plan)
    const before = await ownObjects(db, options.schema)
    await applySteps(db, pendingSteps(plan), options)
    await revokeForeignRights(db, options.schema, before) // new functions are executable by PUBLIC by default
    await db.query('commit')
    return plan
  } catch (error) {
    await db.query('rollback').catch(() => {}) // a lost connection has already rolled back
    throw applyError(error, options)
  }
}

/**
 * Applies all steps with a short lock timeout, and retries from the start until the deadline. A pending lock request
 * blocks all later writers, and locks of several tables could deadlock with the app's.
 */
async function applySteps(db: Queryable, steps: readonly CaptureStep[], { lockTimeoutMs = 5_000 }: ApplyOptions) {
  const deadline = Date.now() + lockTimeoutMs
  await db.query("select pg_catalog.set_config('lock_timeout', $1, true)", [
    String(Math.min(lockTimeoutMs, LOCK_ATTEMPT_MS)),
  ])
  for (;;) {
    await db.query('savepoint changefeed_attempt')
    try {
      for (const step of steps) await applyStep(db, step)
      return
    } catch (error) {
      if (!(error instanceof Locked) || Date.now() >= deadline) throw error
      await db.query('rollback to savepoint changefeed_attempt')
    }
    await sleep(LOCK_PAUSE_MS)
  }
}

async function applyStep(db: Queryable, step: CaptureStep) {
  try {
    for (const statement of step.statements) await db.query(statement)
  } catch (error) {
    throw sqlstateOf(error) === SQLSTATE.lockNotAvailable ? new Locked(step, { cause: error }) : error
  }
}

/** Another transaction holds a lock on the table. */
class Locked extends Error {
  readonly step: CaptureStep

  constructor(step: CaptureStep, options: ErrorOptions) {
    super('locked', options)
    this.step = step
  }
}

async function lockOthersOut(db: Queryable, { schema, lockTimeoutMs = 5_000 }: ApplyOptions) {
  await db.query("select pg_catalog.set_config('lock_timeout', $1, true)", [String(lockTimeoutMs)])
  try {
    await lockInstallation(db, schema)
  } catch (error) {
    if (sqlstateOf(error) !== SQLSTATE.lockNotAvailable) throw error
    throw new ChangefeedError(
      'E_LOCKED',
      `Nothing was changed: another session was installing into the schema "${schema}" for ${lockTimeoutMs} ms. Try again when it has ended, or raise \`lockTimeoutMs\`. Find the session in pg_catalog.pg_locks.`,
      { cause: error },
    )
  }
}

function refuseProblems({ problems }: CapturePlan) {
  const [first] = problems
  if (!first) return
  throw new ChangefeedError(first.code, `Nothing was installed. ${problems.map(({ message }) => message).join(' ')}`)
}

function applyError(error: unknown, { schema, lockTimeoutMs = 5_000 }: ApplyOptions): unknown {
  if (error instanceof Locked) {
    const message =
      `Nothing was changed: another transaction held ${error.step.table} for ${lockTimeoutMs} ms. ` +
      'Try again when it has ended, or raise `lockTimeoutMs`. Find the transaction in pg_catalog.pg_locks.'
    return new ChangefeedError('E_LOCKED', message, { cause: error.cause })
  }
  switch (sqlstateOf(error)) {
    case SQLSTATE.insufficientPrivilege:
      return new ChangefeedError(
        'E_PRIVILEGE',
        `Nothing was changed: ${(error as Error).message}. Install as the owner of the tables and of the schema "${schema}".`,
        { cause: error },
      )
    case SQLSTATE.undefinedTable:
    case SQLSTATE.invalidSchemaName:
      return new ChangefeedError(
        'E_NOT_INSTALLED',
        `Nothing was changed: ${(error as Error).message}. Create or update the feed's schema "${schema}" first: run a complete installation.`,
        { cause: error },
      )
    default:
      return error
  }
}
