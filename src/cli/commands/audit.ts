import { type Audit, audit as examineLog } from '../../doctor/audit.ts'
import { colours } from '../colours.ts'
import { withCommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import { listFindings } from '../findings-text.ts'
import { columnsOf } from '../line-width.ts'
import type { ProgramSettings } from '../settings.ts'
import { table } from '../table.ts'
import { count, print, printJson, printText, terminal } from '../terminal.ts'

interface AuditFlags {
  readonly since: string
  /** Milliseconds. */
  readonly wait?: number
  readonly json?: boolean
}

/** Checks that each committed change of a window was published or lies in a declared gap. Changes nothing. */
export async function audit(settings: ProgramSettings, { since, wait = 10_000, json }: AuditFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const feed = await context.feedSettings()
    const db = await context.installedDatabase('audit')
    const found = await examineLog(db, feed.settings, feed.models, { since, waitMs: wait })
    if (json) printJson(found)
    else printAudit(found)
    return found.complete ? EXIT.ok : EXIT.problems
  })
}

function printAudit({ complete, models, gaps, findings }: Audit) {
  const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0)
  const changes = count(sum(models.map(each => each.changes)), 'committed change')
  const unpublished = sum(models.map(each => each.unpublished))
  const text = `${changes}, ${unpublished} not published, ${count(gaps.length, 'declared gap')}, ${count(findings.length, 'error')}.`
  printText(complete ? colours.green(text) : colours.bold(text))
  const columns = columnsOf(terminal.out)
  const rows = models.map(each => [each.identity, String(each.changes), String(each.unpublished)])
  if (rows.length > 0) print(`\n${table(['model', 'changes', 'not published'], rows, columns)}`)
  const lines = gaps.map(gap => [gap.identity, gap.reason, String(gap.changes), gap.at.toISOString()])
  if (lines.length > 0) print(`\n${table(['gap', 'reason', 'changes', 'last'], lines, columns)}`)
  for (const paragraph of listFindings(findings, columns)) print(`\n${paragraph}`)
}
