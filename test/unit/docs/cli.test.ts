import type { Command, Option } from 'commander'
import { expect, test } from 'vitest'
import { EXIT } from '../../../src/cli/exit-code.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { onlyCode, type Page, page, tableRows } from '../../integration/docs/pages.ts'

const cli = await page('docs/cli.md')
const { commands } = createProgram()
const names = commands.map(command => command.name())

/** The page below a heading, up to the next one. */
function section(heading: string): Page {
  const [, text = ''] = new RegExp(`^#+ ${heading}\\n([\\s\\S]*?)(?=^#+ |(?![\\s\\S]))`, 'm').exec(cli.text) ?? []
  return { path: cli.path, text }
}

/** A flag with a variable is the same setting in every command that has it. */
const isCommon = ({ envVar }: Option) => envVar !== undefined

test('every command has a section, with an example or its options', () => {
  for (const name of names) {
    const { text } = section(name)
    expect([name, text.length > 100, text.includes(name)]).toEqual([name, true, true])
    expect(cli.text).toContain(`[\`${name}\`](#${name})`)
  }
})

test.each(names)('the section of `%s` has a table of the options that are its own', name => {
  const command = commands.find(each => each.name() === name) as Command
  const own = command.options.filter(option => !isCommon(option)).map(({ flags }) => flags)
  const listed = tableRows(section(name)).map(([cell = '']) => onlyCode(cell))
  expect(listed.sort()).toEqual(own.sort())
})

test('the common options are listed with their variable and the commands that have them', () => {
  const common = commands.flatMap(command => command.options.filter(isCommon).map(option => ({ command, option })))
  const flags = [...new Set(common.map(({ option }) => option.flags))]
  const rows = tableRows(section('Common options'))
  expect(rows.map(([cell = '']) => onlyCode(cell)).sort()).toEqual(flags.sort())
  for (const [cell = '', variable = '', having = ''] of rows) {
    const of = common.filter(({ option }) => option.flags === onlyCode(cell))
    const listed = [...having.matchAll(/`(\w+)`/g)].map(([, name]) => name ?? '')
    const meant = having.startsWith('all but') ? names.filter(name => !listed.includes(name)) : listed
    expect([cell, onlyCode(variable)]).toEqual([cell, of[0]?.option.envVar])
    expect([cell, meant.sort()]).toEqual([cell, of.map(({ command }) => command.name()).sort()])
  }
})

test('the exit codes are those of the program', () => {
  const codes = tableRows(section('Exit codes')).map(([code]) => Number(code))
  expect(codes).toEqual(Object.values(EXIT))
})

test('values that an option takes are named', () => {
  for (const command of commands) {
    const choices = command.options.filter(option => !isCommon(option)).flatMap(({ argChoices = [] }) => argChoices)
    const { text } = section(command.name())
    expect(choices.filter(choice => !text.includes(`\`${choice}\``))).toEqual([])
  }
})
