import { groupBy } from '../composite-key.ts'
import type { Finding } from '../doctor/finding.ts'
import { colours } from './colours.ts'
import { wrap } from './line-width.ts'
import { listStatements } from './plan-text.ts'

const INDENT = '  '

/** Findings of one check with the same repair command, or none. */
type Group = readonly [Finding, ...Finding[]]

/** Formats findings and their repair commands as paragraphs, with similar findings grouped. */
export const listFindings = (findings: readonly Finding[], columns: number): string[] =>
  grouped(findings).map(group => {
    const [{ check, severity, repair }] = group
    const mark = severity === 'error' ? colours.red(severity) : colours.yellow(severity)
    const number = group.length > 1 ? ` (${group.length})` : ''
    const command = repair?.command === undefined ? [] : [describeRepair(repair.command, columns)]
    const messages = group.flatMap(finding => describe(finding, columns))
    return [`${mark} ${colours.bold(check)}${number}`, ...messages, ...command].join('\n')
  })

/** Commands are not wrapped, so that they can be copied. */
function describeRepair(command: string, columns: number): string {
  const label = `${INDENT}repair:`
  const fits = label.length + 1 + command.length <= columns
  return `${label}${fits ? ' ' : `\n${INDENT}${INDENT}`}${colours.cyan(command)}`
}

function describe({ message, detail }: Finding, columns: number): string[] {
  const origin = detail === undefined ? [] : [colours.dim(detail.replace(/^/gm, `${INDENT}${INDENT}`))]
  return [`${INDENT}${wrap(message, columns, INDENT)}`, ...origin]
}

/** The SQL of the repairs, each below a comment with the command that runs it, or the check. */
export const listRepairs = (findings: readonly Finding[]): string[] =>
  grouped(findings).flatMap(group => {
    const [{ check, repair }] = group
    const title = repair?.command === undefined ? `repair of ${check}` : `${repair.command} runs`
    return listStatements(
      title,
      group.flatMap(finding => finding.repair?.sql ?? []),
    )
  })

function grouped(findings: readonly Finding[]): Group[] {
  return groupBy(findings, ({ severity, check, repair }) => [severity, check, repair?.command])
}
