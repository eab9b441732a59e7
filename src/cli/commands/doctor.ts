import { examine } from '../../doctor/doctor.ts'
import type { Finding } from '../../doctor/finding.ts'
import type { InstallationPlan } from '../../installation.ts'
import { colours } from '../colours.ts'
import { withCommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import { listFindings, listRepairs } from '../findings-text.ts'
import { columnsOf } from '../line-width.ts'
import { countTables } from '../plan-text.ts'
import type { ProgramSettings } from '../settings.ts'
import { count, print, printJson, printText, terminal } from '../terminal.ts'

interface DoctorFlags {
  readonly json?: boolean
}

export async function doctor(settings: ProgramSettings, { json }: DoctorFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const feed = await context.feedSettings()
    const { findings: found, plan } = await examine(await context.database('doctor'), feed.settings, feed.models)
    const { hookPublishes } = await context.application()
    const findings = hookPublishes ? found.map(withoutStart) : found
    const errors = findings.filter(({ severity }) => severity === 'error').length
    if (json) printJson({ healthy: errors === 0, findings })
    else printFindings(findings, plan)
    return errors > 0 ? EXIT.problems : EXIT.ok
  })
}

/** In an app that publishes by itself, `start` is refused. */
function withoutStart(finding: Finding): Finding {
  if (finding.check !== 'leader') return finding
  const { repair: _, message, ...rest } = finding
  return { ...rest, message: `${message} Lift the app: its hook publishes.` }
}

/** Prints the summary, the findings, then the SQL of the repairs. */
function printFindings(findings: readonly Finding[], plan: InstallationPlan | null) {
  printText(summarize(findings, plan))
  for (const paragraph of listFindings(findings, columnsOf(terminal.out))) print(`\n${paragraph}`)
  const sql = listRepairs(findings)
  if (sql.length > 0) print(`\n${sql.join('\n')}`)
}

function summarize(findings: readonly Finding[], plan: InstallationPlan | null): string {
  const number = (severity: Finding['severity']) => findings.filter(finding => finding.severity === severity).length
  const problems = `${count(number('error'), 'error')}, ${count(number('warning'), 'warning')}.`
  const text = plan ? `${countTables(plan.capture).join(', ')}, ${problems}` : problems
  return findings.length === 0 ? colours.green(`${text} No problems.`) : colours.bold(text)
}
