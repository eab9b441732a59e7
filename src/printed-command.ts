/** Completes a command of ours, such as `install --prune`, to the line that a person has to type. */
export type FormatCommand = (command: string) => string

export interface CommandLineParts {
  /** As `NODE_ENV` names it: it decides which configuration an app loads. @default this process's own */
  readonly environment?: string | undefined
  /** Flags that every command takes, such as `--schema`, each followed by its value. */
  readonly flags?: readonly string[]
}

/**
 * The one place that knows how our command line is called.
 *
 * @example
 * commandFormatter({ environment: 'production', flags: ['--schema', 'feed'] })('install')
 * // NODE_ENV=production npx waterline-changefeed install --schema feed
 */
export function commandFormatter({
  environment = process.env.NODE_ENV,
  flags = [],
}: CommandLineParts = {}): FormatCommand {
  const variables = environment && environment !== 'development' ? [`NODE_ENV=${quoted(environment)}`] : []
  return command => [...variables, 'npx waterline-changefeed', command, ...flags.map(quoted)].join(' ')
}

/** For a POSIX shell. */
const quoted = (text: string) => (/^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
