import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { bashCompletion } from '../../../src/cli/completion/bash.ts'
import { commandTree } from '../../../src/cli/completion/command-tree.ts'
import { fishCompletion } from '../../../src/cli/completion/fish.ts'
import { zshCompletion } from '../../../src/cli/completion/zsh.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { installed } from '../../helpers/prerequisites/program.ts'
import { startProgram } from '../../helpers/program.ts'
import { desk } from './desk.ts'

const tree = commandTree(createProgram())
const present = async (shell: string) => (await installed(shell).catch(() => null)) !== null
const [bash, zsh, fish] = await Promise.all(['bash', 'zsh', 'fish'].map(present))

let folder: string
beforeAll(async () => {
  folder = await scratchFolder()
  const scripts = { bash: bashCompletion(tree), zsh: zshCompletion(tree), fish: fishCompletion(tree) }
  for (const [shell, script] of Object.entries(scripts)) await writeFile(join(folder, `completion.${shell}`), script)
})

async function linesOf(shell: string, code: string): Promise<readonly string[]> {
  const program = startProgram(shell, ['-c', `cd '${folder}'; ${code}`])
  await program.ended
  return program.lines
}

test('prints the script, explains its installation in the help, and refuses other shells', async () => {
  const { run } = await desk()
  expect((await run('completion', 'bash')).text).toBe(bashCompletion(tree).trimEnd())
  expect((await run('completion', '--help')).text).toMatch(/~\/\.bashrc.*~\/\.zshrc.*config\.fish/s)
  expect(await run('completion', 'tcsh')).toMatchObject({
    code: 2,
    text: expect.stringMatching(/choices are bash, zsh, fish/),
  })
})

describe.skipIf(!bash)('bash', () => {
  /** As bash calls it after these words and Tab. */
  const offered = async (...words: string[]) => {
    const typed = ['waterline-changefeed', ...words].map(word => `'${word}'`).join(' ')
    return await linesOf(
      'bash',
      `source completion.bash; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}
       read -r _ _ function _ < <(complete -p waterline-changefeed); $function; printf '%s\\n' "\${COMPREPLY[@]}"`,
    )
  }

  test('offers the commands, and the options of each', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining([...tree.commands.map(({ name }) => name), '--version']))
    for (const { name, options } of tree.commands) {
      const flags = options.flatMap(({ names }) => names).filter(flag => flag.startsWith('--'))
      expect([name, await offered(name, '--')]).toEqual([name, flags.length > 0 ? flags : ['']])
    }
  }, 60_000)

  test('offers values of options and arguments', async () => {
    expect(await offered('tail', '--verb', '')).toContain('destroyed')
    expect(await offered('tail', '--verb', '=', 'cr')).toEqual(['created'])
    expect(await offered('start', '--log-level', 'd')).toEqual(['debug'])
    expect(await offered('completion', 'z')).toEqual(['zsh'])
    expect(await offered('plan', '--schema', '')).toEqual([''])
    expect(await offered('plan', '--schema', 'tail', '--rev')).toEqual(['--reveal'])
    expect(await offered('start', '--config', 'comp')).toEqual(expect.arrayContaining(['completion.bash']))
    expect(await offered('start', '--app', 'comp')).toEqual([''])
  })
})

describe.skipIf(!fish)('fish', () => {
  const offered = async (line: string) =>
    (await linesOf('fish', `source completion.fish; complete -C 'waterline-changefeed ${line}'`)).map(
      each => each.split('\t')[0],
    )

  test('offers commands, options and values', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(tree.commands.map(({ name }) => name)))
    expect(await offered('tail --mod')).toEqual(['--model', '--models'])
    expect(await offered('tail --verb cr')).toEqual(['created'])
    expect(await offered('completion z')).toEqual(['zsh'])
    expect(await offered('plan --config comp')).toEqual(expect.arrayContaining(['completion.bash']))
  })
})

describe.skipIf(!zsh)('zsh', () => {
  /** The line after Tab in an interactive zsh, where the program is a function that prints its arguments. */
  const completed = async (line: string) => {
    const setUp = `PROMPT=; autoload -Uz compinit; compinit -u -D; source ./completion.zsh; waterline-changefeed() print -r -- "r""an:$*:"`
    const [, words] =
      /ran:(.*):/.exec(
        (
          await linesOf(
            'zsh',
            `zmodload zsh/zpty; zpty shell zsh -f -i; zpty -w shell '${setUp}'
             zpty -w shell $'waterline-changefeed ${line}\\t'
             while zpty -r shell text; do print -r -- "$text"; [[ $text = *ran:* ]] && break; done`,
          )
        ).join('\n'),
      ) ?? []
    return words?.trim()
  }

  test('completes commands, options and values', async () => {
    expect(await completed('unin')).toBe('uninstall')
    expect(await completed('plan --rev')).toBe('plan --reveal')
    expect(await completed('tail --verb cr')).toBe('tail --verb created')
    expect(await completed('completion z')).toBe('completion zsh')
  })
})
