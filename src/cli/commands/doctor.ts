import { examine } from '../../doctor/doctor.ts'
import type { Finding } from '../../doctor/finding.ts'
import { colours } from '../colours.ts'
import { EXIT } from '../exit-code.ts'
import type { ProgramSettings } from '../settings.ts'
import { count, print, printJson } from '../terminal.ts'
import { withWorkspace } from '../workspace.ts'

interface DoctorFlags {
  readonly json?: boolean
}

export async function doctor(settings: ProgramSettings, { json }: DoctorFlags): Promise<number> {
  return await withWorkspace(settings, async workspace => {
    const feed = await workspace.feedSettings()
    const findings = await examine(await workspace.database('doctor'), feed.settings, feed.models)
    const errors = findings.filter(({ severity }) => severity === 'error').length
    if (json) printJson({ healthy: errors === 0, findings })
    else printFindings(findings, feed.models.size)
    return errors > 0 ? EXIT.problems : EXIT.ok
  })
}

function printFindings(findings: readonly Finding[], models: number) {
  for (const finding of findings) print(`${formatFinding(finding)}\n`)
  const all = (severity: string) => findings.filter(finding => finding.severity === severity).length
  const looked = `${count(models, 'model')} looked at:`
  const sum = `${looked} ${count(all('error'), 'error')}, ${count(all('warning'), 'warning')}.`
  print(findings.length === 0 ? colours.green(`${looked} all is well.`) : sum)
}

export function formatFinding({ check, severity, message, detail, repair }: Finding): string {
  const mark = severity === 'error' ? colours.red('error  ') : colours.yellow('warning')
  const sql = (repair?.sql ?? []).map(statement => colours.dim(`${statement};`.replace(/^/gm, '    ')))
  const command = repair?.command === undefined ? [] : [`  repair: ${colours.cyan(repair.command)}`]
  const statements = sql.length === 0 ? [] : [command.length > 0 ? '  which runs:' : '  repair:', ...sql]
  const origin = detail === undefined ? [] : [colours.dim(detail.replace(/^/gm, '    '))]
  return [`${mark} ${colours.bold(check)}  ${message}`, ...origin, ...command, ...statements].join('\n')
}
