import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { codeBlocks, pages, prose, root } from '../../integration/docs/pages.ts'

test('command lines in the pages name commands and flags that exist', async () => {
  const program = createProgram()
  const found = (await commandLines()).map(({ path, line }) => ({ path, line, problem: problemOf(program, line) }))
  expect(found.length).toBeGreaterThan(15)
  expect(found.filter(({ problem }) => problem !== undefined)).toEqual([])
})

test.each([
  ['instal', 'no command'],
  ['install --force', 'no flag --force'],
  ['status --watch', undefined],
  ['plan --grants listener', undefined],
])('a line that is wrong is found: %s', (line, problem) => {
  expect(problemOf(createProgram(), line)).toBe(problem)
})

test('scripts of npm that the pages name exist', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const named = (await pages()).flatMap(({ text }) => [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name))
  expect(named.filter(name => !Object.hasOwn(scripts, name ?? ''))).toEqual([])
})

interface CommandLine {
  readonly path: string
  /** Behind the name of the program. */
  readonly line: string
}

async function commandLines(): Promise<CommandLine[]> {
  return (await pages()).flatMap(page => {
    const blocks = codeBlocks(page).filter(({ language }) => language === 'sh')
    const inline = [...prose(page).matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
    const lines = [...blocks.flatMap(({ code }) => code.split('\n')), ...inline]
    const calls = lines.flatMap(line => /(?:^|npx )waterline-changefeed ([a-z][^#&|]*)/.exec(line)?.[1] ?? [])
    return calls.map(line => ({ path: page.path, line: line.trim() }))
  })
}

function problemOf(program: Command, line: string): string | undefined {
  const [name, ...rest] = line.split(/\s+/)
  const command = program.commands.find(command => command.name() === name)
  if (!command) return 'no command'
  const unknown = rest.find(
    word => word.startsWith('-') && !command.options.some(({ short, long }) => [short, long].includes(word)),
  )
  return unknown === undefined ? undefined : `no flag ${unknown}`
}
