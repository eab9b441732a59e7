import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { wrap } from '../../../src/cli/line-width.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { table } from '../../../src/cli/table.ts'
import { built } from '../../helpers/program.ts'
import { startOnTerminal, visible } from '../../helpers/terminal.ts'
import { largeApp, largeDesk } from './large-app.ts'

const tooWide = (lines: readonly string[]) => visible(lines).filter(line => line.length > 80)

/** SQL is printed unwrapped, below a comment and indented. */
const aboveSql = (lines: readonly string[]) => lines.slice(0, lines.findIndex(line => line.startsWith('-- ')) >>> 0)

test('the help of every command fits into 80 columns', () => {
  const program = createProgram()
  for (const command of [program, ...program.commands]) {
    const written: string[] = []
    command.configureOutput({ writeOut: text => written.push(text), getOutHelpWidth: () => 80 }).outputHelp()
    const lines = written.join('').split('\n')
    expect([command.name(), lines.length > 5, tooWide(lines)]).toEqual([command.name(), true, []])
  }
})

test('with 32 models the output of every command fits into 80 columns', async () => {
  expect(Object.keys(largeApp)).toHaveLength(32)
  const { run, shop } = await largeDesk()
  const fits = async (...args: string[]) => {
    const { text } = await run(...args)
    const all = text.split('\n')
    const lines = aboveSql(all)
    expect([args, tooWide(lines)]).toEqual([args, []])
    return { text: lines.join('\n'), all }
  }
  const plan = await fits('plan')
  expect(plan.text).toMatch(
    /^33 tables to capture, 0 already installed, 0 problems\. Our schema: \d+ migrations\nto run\./m,
  )
  expect(plan.text).toMatch(/\n\+ not captured yet: account, address,/)
  const firstSql = plan.all.findIndex(line => line.startsWith('-- '))
  expect(plan.all.slice(firstSql).filter(line => line.startsWith('-- '))).toHaveLength(34)
  expect((await fits('doctor')).text).toMatch(/^33 tables to capture, 0 already installed, 2 errors, 1 warning\./m)
  expect((await fits('install')).text).toMatch(/^33 tables captured, 0 already installed, 0 problems/m)
  expect((await fits('plan')).text).toMatch(
    /^0 tables to capture, 33 already installed, 0 problems\.\n\n= up to date: account/m,
  )
  await fits('plan', '--models', 'user')
  await fits('install', '--models', 'user', '--prune')
  const feed = shop.feed()
  await feed.start()
  await shop.database.query(`insert into organizationmembership (name) values ('Ada')`)
  await feed.settled()
  await fits('pause', ...Object.keys(largeApp))
  await fits('doctor')
  expect((await fits('status')).text).toMatch(/^33 models captured, 32 paused, 0 problems\./m)
  await fits('replay', '--since', '1h', '--dry-run')
  await fits('tail', '--models', 'userr')
  await fits('resume')
  await fits('uninstall')
  await fits('uninstall', '--yes')
}, 90_000)

describe('on a terminal', () => {
  test('tail wraps long lines without truncation', async () => {
    const { run, folder, shop } = await largeDesk()
    await run('install')
    const feed = shop.feed()
    await feed.start()
    const text = 'many words '.repeat(30)
    await shop.database.query('insert into organizationmembership (name) values ($1)', [text])
    await feed.settled()
    const main = fileURLToPath(built('cli/main.js'))
    const tail = startOnTerminal(`cd '${folder}'; exec '${process.execPath}' '${main}' tail --since 1h`, {
      DATABASE_URL: shop.database.connectionString,
    })
    await tail.line(/null\}/)
    const lines = visible(tail.lines)
    expect(tooWide(lines)).toEqual([])
    const head = lines.findIndex(line => /^[\d:.]{12} created +organizationmembership 1 \S+$/.test(line))
    const record = lines.slice(head + 1).map(line => line.slice('12:00:00.000 '.length))
    expect(JSON.parse(record.join(''))).toMatchObject({ name: text })
  })

  test('wraps an error between words', async () => {
    const folder = join(fileURLToPath(built('cli')))
    const program = startOnTerminal(`exec '${process.execPath}' '${folder}/main.js' status`, { DATABASE_URL: '' })
    expect((await program.ended).code).toBe(2)
    expect(program.lines.length).toBeGreaterThan(1)
    expect(tooWide(program.lines)).toEqual([])
  })
})

test('a table gives its width to the columns that need it, without truncation', () => {
  const rows = [
    ['a', 'project_contributors__user_contributions', 'words that can be broken'],
    ['b', 'short', 'x'],
  ]
  const lines = table(['', 'name', 'why'], rows, 40).split('\n')
  expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(40)
  const cut = (from: number, to?: number) =>
    lines
      .slice(1)
      .map(line => line.slice(from, to).trim())
      .join('')
  const start = lines[0]?.indexOf('why')
  expect(cut(3, start)).toBe('project_contributors__user_contributionsshort')
  expect(table([], rows).split('\n')).toHaveLength(2)
})

test('wraps text between words and does not break long words', () => {
  const text = `first second ${'x'.repeat(60)} third`
  expect(wrap(text, 44, '  ').split('\n')).toEqual(['first second', `  ${'x'.repeat(60)}`, '  third'])
  expect(wrap(text, Number.POSITIVE_INFINITY)).toBe(text)
})

test('a command in a text is never broken, so that it can be pasted', () => {
  const command = `NODE_ENV=production npx waterline-changefeed uninstall --yes --schema 'a b' --app /srv/app`
  const text = `This takes the triggers off every table and drops the schema with all that it holds. To do it: ${command}`
  expect(wrap(text, 80).split('\n').at(-1)).toBe(command)
})
