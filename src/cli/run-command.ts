import type { Command } from 'commander'
import { ChangefeedError } from '../errors.ts'
import { colours } from './colours.ts'
import { exitCodeOf } from './exit-code.ts'
import { readSettings } from './flags.ts'
import { hider } from './secrets.ts'
import type { ProgramSettings } from './settings.ts'
import { note, printJson } from './terminal.ts'

export type CommandAction<Flags> = (settings: ProgramSettings, flags: Flags, args: readonly string[]) => Promise<number>

/**
 * Creates a command action from a function of the settings that returns the exit code of the process. `load` imports it, since each
 * command needs other packages. Errors are printed as a message, or with `--json` as `{ error: { code, message } }`;
 * only unexpected ones include a stack.
 */
export function action<Flags>(load: () => Promise<CommandAction<Flags>>) {
  return async (...given: unknown[]) => {
    const command = given.at(-1) as Command
    let settings: ProgramSettings | undefined
    try {
      settings = await readSettings(command)
      const run = await load()
      process.exitCode = await run(settings, command.opts() as Flags, command.processedArgs.flat() as string[])
    } catch (error) {
      if (command.opts().json === true) printJson(errorAsData(error, settings))
      else note(describe(error, settings))
      process.exitCode = exitCodeOf(error)
    }
  }
}

/** The JSON form of an error. `code` is null for an unexpected one. */
export function errorAsData(error: unknown, settings: ProgramSettings | undefined) {
  const hide = hider(secretsOf(settings))
  const { code } = error instanceof ChangefeedError ? error : { code: null }
  return { error: { code, message: hide(error instanceof Error ? error.message : String(error)) } }
}

export function describe(error: unknown, settings: ProgramSettings | undefined): string {
  const hide = hider(secretsOf(settings))
  const text = error instanceof ChangefeedError ? error.message : error instanceof Error ? error.stack : String(error)
  const code = error instanceof ChangefeedError ? ` ${colours.dim(`[${error.code}]`)}` : ''
  return `${colours.red('error')} ${hide(text ?? '')}${code}`
}

/** Includes variables, because an error may quote them before the settings are resolved. */
export function secretsOf(settings: ProgramSettings | undefined): (string | undefined)[] {
  const { DATABASE_URL, CHANGEFEED_REDIS_URL, CHANGEFEED_TOKEN, PGPASSWORD } = process.env
  return [
    ...[DATABASE_URL, CHANGEFEED_REDIS_URL, CHANGEFEED_TOKEN, PGPASSWORD],
    ...[settings?.connectionString, settings?.redisUrl, settings?.token],
  ]
}
