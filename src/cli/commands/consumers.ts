import { dropConsumer, listConsumers } from '../../change-log/consumers.ts'
import { ChangefeedError } from '../../errors.ts'
import { withCommandContext } from '../command-context.ts'
import { formatConsumers } from '../consumers-text.ts'
import { EXIT } from '../exit-code.ts'
import { columnsOf } from '../line-width.ts'
import type { ProgramSettings } from '../settings.ts'
import { note, print, printJson, terminal } from '../terminal.ts'

interface ConsumersFlags {
  readonly json?: boolean
}

/** Lists the named consumers of the change log, and how far each is behind. */
export async function consumers(settings: ProgramSettings, { json }: ConsumersFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const found = await listConsumers(await context.installedDatabase('consumers'))
    if (json) printJson({ consumers: found })
    else if (found.length === 0) note('There is no consumer: feed.consume({ name }) registers one.')
    else print(formatConsumers(found, columnsOf(terminal.out)))
    return EXIT.ok
  })
}

/** Forgets the position of a consumer; a process that reads as it ends with an error. */
export async function dropNamedConsumer(
  settings: ProgramSettings,
  { json }: ConsumersFlags,
  [name = '']: readonly string[],
): Promise<number> {
  return await withCommandContext(settings, async context => {
    const db = await context.installedDatabase('consumers')
    if (!(await dropConsumer(db, name))) {
      const known = (await listConsumers(db)).map(each => each.name)
      const others = known.length === 0 ? 'There is none.' : `Consumers: ${known.join(', ')}.`
      throw new ChangefeedError('E_USAGE', `There is no consumer \`${name}\`. ${others}`)
    }
    if (json) printJson({ dropped: name })
    else print(`dropped ${name}`)
    return EXIT.ok
  })
}
