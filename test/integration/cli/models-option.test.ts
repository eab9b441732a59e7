import { expect, test } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { nearestNames } from '../../../src/models/nearest-names.ts'
import { DEFINITIONS, desk, shopDesk } from './desk.ts'

/** Commands that apply to the whole installation, or to none. */
const WITHOUT_MODELS = ['consumers', 'uninstall', 'status', 'demo', 'completion']

test('all commands that take models have the same option', () => {
  const { commands } = createProgram()
  const flagsOf = (command: (typeof commands)[number]) =>
    command.options.map(({ flags }) => flags).filter(flags => flags.includes('model'))
  const taking = commands.filter(command => !WITHOUT_MODELS.includes(command.name()))
  expect(taking.map(command => command.name())).toEqual(
    expect.arrayContaining(['plan', 'install', 'doctor', 'tail', 'start', 'replay', 'pause', 'resume']),
  )
  for (const command of taking)
    expect([command.name(), flagsOf(command)]).toEqual([command.name(), ['--model, --models <identities>']])
})

test('a list, a repeated option and both option names are equivalent', { timeout: 90_000 }, async () => {
  const { run } = await shopDesk()
  const planned = async (...args: string[]) => {
    const plan = JSON.parse((await run('plan', '--json', ...args)).text)
    return plan.capture.steps.map(({ identity }: { identity: string }) => identity).sort()
  }
  expect(await planned()).toEqual(['pet', 'user'])
  expect(await planned('--model', 'Pet')).toEqual(['pet'])
  expect(await planned('--models', 'pet, user')).toEqual(['pet', 'user'])
  expect(await planned('--model', 'pet', '--model', 'user')).toEqual(['pet', 'user'])
  expect(await planned('--models', 'pet', '--model', 'user')).toEqual(['pet', 'user'])
})

test('the option takes precedence over the variable, and an empty variable counts as unset', {
  timeout: 90_000,
}, async () => {
  const { shop } = await shopDesk()
  const planned = async (variable: string, ...args: string[]) => {
    const { run } = await desk(
      { DATABASE_URL: shop.database.connectionString, CHANGEFEED_MODELS: variable },
      { 'changefeed.config.mjs': `export default { definitions: ${DEFINITIONS} }` },
    )
    return JSON.parse((await run('plan', '--json', ...args)).text).capture.steps.length
  }
  expect([await planned(''), await planned('user'), await planned('user', '--model', 'pet,user')]).toEqual([2, 1, 2])
})

test('pause and resume take models as arguments, as a list, or by the option', { timeout: 90_000 }, async () => {
  const { run } = await shopDesk()
  await run('install')
  expect((await run('pause', 'pet,user')).text).toMatch(/^paused pet\npaused user$/m)
  expect((await run('resume', '--model', 'pet')).text).toMatch(/^resumed pet: [^\n]*\nClients/m)
  expect((await run('pause', 'user', '--models', 'pet')).text).toMatch(/^user was already paused\npaused pet$/m)
  expect(await run('pause')).toMatchObject({
    code: 2,
    text: expect.stringMatching(/Specify the models: pause user,pet/),
  })
})

test('the error for an unknown name lists the nearest ones', { timeout: 90_000 }, async () => {
  const { run } = await shopDesk()
  await run('install')
  for (const args of [
    ['plan', '--models', 'user,pett'],
    ['tail', '--model', 'pett'],
    ['replay', '--since', '1h', '--dry-run', '--model', 'pett'],
    ['pause', 'pett'],
  ]) {
    const { code, text } = await run(...args)
    expect([args, code, text]).toEqual([
      args,
      2,
      expect.stringMatching(/`pett`.* Nearest of [23] (captured )?models: pet, user\b/),
    ])
  }
})

test('an empty list of models is refused', async () => {
  const { run } = await shopDesk()
  expect(await run('plan', '--models', ',')).toMatchObject({
    code: 2,
    text: expect.stringMatching(/--models <identities>.*It must be identities of models/),
  })
})

test('lists the nearest names first, substrings before names with other letters', () => {
  const names = ['user', 'userrole', 'pet', 'pettype', 'organization', 'order', 'log']
  expect(nearestNames('usre', names)[0]).toBe('user')
  expect(nearestNames('org', names)[0]).toBe('organization')
  expect(nearestNames('pets', names)[0]).toBe('pet')
  expect(nearestNames('x', [])).toEqual([])
})
