import { createRequire } from 'node:module'
import { Command, Option } from 'commander'
import { demo, parsePort } from './commands/demo.ts'
import { install, plan, uninstall } from './commands/install.ts'
import { EXIT, EXIT_CODES_HELP } from './exit-code.ts'
import { addFlags, DATABASE_FLAGS, MODEL_FLAGS } from './flags.ts'
import { action } from './run-command.ts'

const manifest: { version: string } = createRequire(import.meta.url)('waterline-changefeed/package.json')

/** The command line as a whole. Settings come from flags, then variables, then changefeed.config.mjs. */
export function createProgram(): Command {
  const program = new Command('waterline-changefeed')
    .description('Realtime for Waterline models on PostgreSQL: every committed write reaches the subscribed sockets.')
    .version(manifest.version)
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('Run the command with --help to see what it takes.')
    .exitOverride(error => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  addInstallation(program)
  addDemo(program)
  return program
}

function addInstallation(program: Command) {
  addFlags(program.command('plan'), MODEL_FLAGS)
    .summary('show the SQL that install would run')
    .description('Shows what install would do, with the SQL that it would run. Changes nothing.')
    .option('--json', 'print JSON')
    .action(action(plan))
  addFlags(program.command('install'), MODEL_FLAGS)
    .summary('create or update our schema and the triggers')
    .description(
      'Creates or updates our schema and the triggers on the tables of the models, and removes those of others.',
    )
    .option('--json', 'print JSON')
    .action(action(install))
  addFlags(program.command('uninstall'), DATABASE_FLAGS)
    .summary('take all of it away again')
    .description('Takes our triggers off every table and drops our schema, with the change log in it.')
    .option('--yes', 'do it without asking back')
    .action(action(uninstall))
}

function addDemo(program: Command) {
  program
    .command('demo')
    .summary('see it work: a small app, its database, and a page')
    .description(
      'Starts an embedded Postgres, a small Waterline app with a change feed, and a page that shows all of it.',
    )
    .option('--port <number>', 'of the page, on 127.0.0.1; 0 takes a free one', parsePort, 1337)
    .option('--data <folder>', 'keep the data of the embedded Postgres here (default: a temporary folder)')
    .addOption(new Option('--database-url <url>', "use this server, in schemas of the demo's own").env('DATABASE_URL'))
    .action(action(demo))
}
