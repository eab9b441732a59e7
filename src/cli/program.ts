import { Argument, Command, CommanderError, Option } from 'commander'
import { VERBS } from '../publish/mapping/record-event.ts'
import { VERSION } from '../version.ts'
import { COMPLETION_HELP, printCompletion, SHELLS } from './commands/completion.ts'
import { demo, parsePort } from './commands/demo.ts'
import { EXIT, EXIT_CODES_HELP } from './exit-code.ts'
import { addFlags, COMMON_FLAGS, MODEL_FLAGS, REPLAY_FLAGS, SERVICE_FLAGS } from './flags.ts'
import { collectIdentities, modelsOption } from './models-option.ts'
import { action } from './run-command.ts'
import { printJson } from './terminal.ts'
import { parseInterval } from './watch-interval.ts'

/** Runs a command, and sets the exit code of the process. */
export async function runProgram(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = finish(error, args)
  }
}

/** After commander has rejected or answered the command line itself. Returns the exit code. */
function finish({ exitCode, message }: CommanderError, args: readonly string[]): number {
  if (exitCode === 0) return EXIT.ok
  if (args.includes('--json')) printJson({ error: { code: 'E_USAGE', message } })
  return EXIT.usage
}

/** The complete command line. Flags take precedence over variables, and variables over changefeed.config.mjs. */
export function createProgram(): Command {
  const program = new Command('waterline-changefeed')
    .description('Realtime for Waterline models on PostgreSQL: every committed write reaches the subscribed sockets.')
    .version(VERSION)
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('Run the command with --help to see its options.')
    .exitOverride()
  addInstallation(program)
  addWatching(program)
  addPublishing(program)
  addConsumers(program)
  addDemo(program)
  addCompletion(program)
  return program
}

function addInstallation(program: Command) {
  addFlags(program.command('plan'), MODEL_FLAGS)
    .summary('show the SQL that install would run')
    .description('Shows what install would do, with the SQL that it would run. Changes nothing.')
    .option('--prune', PRUNE)
    .option('--reveal', REVEAL)
    .option('--grants <role>', 'show only the SQL that lets a role run a listener')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/install.ts')).plan))
  addFlags(program.command('install'), MODEL_FLAGS)
    .summary('create or update our schema and the triggers')
    .description(
      'Creates or updates our schema and the triggers on the tables of the models. Removes no capture, and logs no column that an earlier installation omitted, unless an option says so.',
    )
    .option('--prune', PRUNE)
    .option('--reveal', REVEAL)
    .option('--yes', 'do not ask before pruning')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/install.ts')).install))
  addFlags(program.command('uninstall'), COMMON_FLAGS)
    .summary('remove the triggers and our schema')
    .description('Removes our triggers from every table and drops our schema, including the change log.')
    .option('--yes', 'confirm the removal')
    .action(action(async () => (await import('./commands/install.ts')).uninstall))
}

const PRUNE = 'remove capture that no model of this app uses, unless a running process publishes it'
const REVEAL = 'log columns that an earlier installation omitted and this app does not'

function addWatching(program: Command) {
  addFlags(program.command('status'), COMMON_FLAGS)
    .summary('show models, lag, leader and the change log')
    .description('Shows the captured models, lag, leader, nodes, and the extent of the change log.')
    .option('--watch [seconds]', 'refresh until interrupted (default: every 2 s)', parseInterval)
    .option('--json', 'print JSON; with --watch, one line per refresh')
    .action(action(async () => (await import('./commands/status.ts')).status))
  addFlags(program.command('doctor'), MODEL_FLAGS)
    .summary('find problems that prevent delivery of changes')
    .description(
      'Checks models, tables, triggers, privileges, the server and the log, and prints the repair of each problem.',
    )
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/doctor.ts')).doctor))
  addFlags(program.command('audit'), MODEL_FLAGS)
    .summary('check that past changes were published')
    .description('Checks that each committed change since a time was published or lies in a declared gap. Only reads.')
    .requiredOption('--since <when>', 'start: a time, a duration such as 10m, or a cursor')
    .option(
      '--wait <seconds>',
      'how long the last changes may take to be published (default: 10)',
      parseInterval,
      10_000,
    )
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/audit.ts')).audit))
  addFlags(program.command('tail'), COMMON_FLAGS)
    .summary('print changes as they are published')
    .description('Prints published events as they happen: as text on a terminal, as JSON lines in a pipe.')
    .addOption(modelsOption('only of these models'))
    .option('--id <ids...>', 'only of records with these ids')
    .addOption(new Option('--verb <verbs...>', 'only these').choices(VERBS))
    .option('--since <when>', 'start in the past: a time, a duration such as 10m, or a cursor')
    .option('--json', 'print JSON lines on a terminal too')
    .action(action(async () => (await import('./commands/tail.ts')).tail))
}

function addPublishing(program: Command) {
  addFlags(program.command('start'), SERVICE_FLAGS)
    .summary('run the listener')
    .description(
      'Publishes every change to the sockets of the app, through the adapter that its servers share; or with --serve to its own sockets. Several may run: one leads, and another takes over if it fails. `serve` in the config file opens models to clients.',
    )
    .action(action(async () => (await import('./commands/start.ts')).start))
  addFlags(program.command('replay'), REPLAY_FLAGS)
    .summary('publish past changes again')
    .description('Publishes past changes again, to the currently subscribed sockets.')
    .requiredOption('--since <when>', 'start: a time, a duration such as 10m, or a cursor')
    .option('--until <time>', 'end: a time (default: now)')
    .addOption(modelsOption('only of these models'))
    .option('--dry-run', 'only count what would be published')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/replay.ts')).replay))
  addFlags(program.command('pause'), COMMON_FLAGS)
    .argument('[models...]', 'identities of models', collectIdentities)
    .addOption(modelsOption('same as the arguments'))
    .summary('stop publishing changes of models')
    .description('Stops publishing the changes of models. They are counted and skipped; triggers stay active.')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/pause.ts')).pause))
  addFlags(program.command('resume'), COMMON_FLAGS)
    .argument('[models...]', 'identities of models (default: all that are paused)', collectIdentities)
    .addOption(modelsOption('same as the arguments'))
    .summary('publish changes of models again')
    .description('Publishes the changes of models again, and sends their clients refetch.')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/pause.ts')).resume))
}

function addConsumers(program: Command) {
  const consumers = addFlags(program.command('consumers'), COMMON_FLAGS)
    .summary('list named consumers, and drop them')
    .description('Lists the consumers that feed.consume() has registered, and how far each is behind.')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/consumers.ts')).consumers))
  addFlags(consumers.command('drop'), COMMON_FLAGS)
    .argument('<name>', 'name of the consumer')
    .summary('forget a consumer')
    .description('Forgets the position of a consumer, so that the change log keeps nothing for it any more.')
    .option('--json', 'print JSON')
    .action(action(async () => (await import('./commands/consumers.ts')).dropNamedConsumer))
}

function addDemo(program: Command) {
  program
    .command('demo')
    .summary('run a small app, its database and a page')
    .description('Starts an embedded Postgres, a small Waterline app with a change feed, and a page that shows them.')
    .option('--port <number>', 'port of the page on 127.0.0.1; 0 chooses a free one', parsePort, 1337)
    .option('--data <folder>', 'keep the data of the embedded Postgres here (default: a temporary folder)')
    .addOption(new Option('--database-url <url>', 'use this server, in separate schemas').env('DATABASE_URL'))
    .action(action(async () => demo))
}

function addCompletion(program: Command) {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose completion').choices(SHELLS))
    .summary('print a script that completes commands and options')
    .description('Prints a script for shell completion of commands, options and their values.')
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: string) => printCompletion(shell, program))
}
