import type { InstallFlags } from '../../capture/capture-options.ts'
import { migrationSql } from '../../db/migration-sql.ts'
import { type InstallationPlan, isComplete } from '../../installation.ts'
import type { FormatCommand } from '../../printed-command.ts'
import { colours } from '../colours.ts'
import { withCommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import { columnsOf } from '../line-width.ts'
import { describeTable, listPlan, listStatements, summarizePlan } from '../plan-text.ts'
import type { ProgramSettings } from '../settings.ts'
import { confirm, count, note, print, printJson, printText, terminal } from '../terminal.ts'

interface JsonFlag extends InstallFlags {
  readonly json?: boolean
}

interface PlanFlags extends JsonFlag {
  /** The role that will run a listener. */
  readonly grants?: string
}

/** Prints what `install` would do, with its statements. Changes nothing. */
export async function plan(settings: ProgramSettings, { json, prune, reveal, grants }: PlanFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const feed = await context.feed()
    if (grants !== undefined) {
      const statements = feed.grants(grants)
      if (json) printJson({ grants: statements })
      else for (const statement of statements) print(`${statement};`)
      return EXIT.ok
    }
    const found = await feed.plan(installFlags(prune, reveal))
    const statements = await migrationSql(settings.schema, found.migrations)
    if (json) printJson({ ...found, migrationStatements: statements, complete: isComplete(found) })
    else printPlan(found, statements)
    return exitCodeOf(found)
  })
}

/** Picks only these flags: `--models` differs from the setting of that name. */
const installFlags = (prune = false, reveal = false): InstallFlags => ({ prune, reveal })

interface InstallCommandFlags extends JsonFlag {
  readonly yes?: boolean
}

export async function install(
  settings: ProgramSettings,
  { json, yes, prune, reveal }: InstallCommandFlags,
): Promise<number> {
  const flags = installFlags(prune, reveal)
  return await withCommandContext(settings, async context => {
    const feed = await context.feed()
    if (flags.prune && !yes && !(await confirmPruning(await feed.plan(flags), context.formatCommand))) return EXIT.usage
    const done = await feed.install(flags)
    if (json) printJson(done)
    else printDone(done)
    return exitCodeOf(done)
  })
}

/** Requires confirmation, since other readers no longer receive these changes. */
async function confirmPruning({ capture }: InstallationPlan, formatCommand: FormatCommand): Promise<boolean> {
  const drops = capture.steps.filter(({ action }) => action === 'drop')
  if (drops.length === 0) return true
  note(`This removes the capture of ${count(drops.length, 'model')}: ${drops.map(describeTable).join(', ')}.`)
  if (await confirm('Remove it?')) return true
  note(`Nothing was changed. To remove it without confirmation: ${formatCommand('install --prune --yes')}`)
  return false
}

interface UninstallFlags {
  readonly yes?: boolean
}

/** Requires `--yes`, since the change log is deleted too. */
export async function uninstall(settings: ProgramSettings, { yes }: UninstallFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    if (!yes) {
      await context.announce()
      note(
        `This removes the triggers from every table and drops the schema "${settings.schema}" with the change log. To confirm: ${context.formatCommand('uninstall --yes')}`,
      )
      return EXIT.usage
    }
    if (await context.uninstall()) print(`Uninstalled: removed the triggers and the schema "${settings.schema}".`)
    else note(`Nothing was uninstalled: there is no schema "${settings.schema}".`)
    return EXIT.ok
  })
}

const exitCodeOf = ({ capture }: InstallationPlan) => (capture.problems.length > 0 ? EXIT.notReady : EXIT.ok)

function printPlan(found: InstallationPlan, migrationStatements: readonly string[]) {
  printText(colours.bold(summarizePlan(found)))
  print(`\n${listPlan(found, columnsOf(terminal.out)).join('\n')}`)
  const sql = [
    ...listStatements('our schema', migrationStatements),
    ...found.capture.steps.flatMap(({ identity, statements }) => listStatements(`model ${identity}`, statements)),
  ]
  print(sql.length > 0 ? `\n${sql.join('\n')}` : `\n${isComplete(found) ? 'Nothing to do.' : 'Nothing can be done.'}`)
}

function printDone(plan: InstallationPlan) {
  const refused = plan.capture.problems.length > 0
  printText(colours.bold(`${refused ? 'Nothing was installed: ' : ''}${summarizePlan(plan, { done: !refused })}`))
  print(`\n${listPlan(plan, columnsOf(terminal.out)).join('\n')}`)
}
