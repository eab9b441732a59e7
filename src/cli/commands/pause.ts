import { ChangefeedError } from '../../errors.ts'
import { capturedIdentities } from '../../feed/captured-identities.ts'
import { listPauses, pauseModels, resumeModels } from '../../pipeline/pauses.ts'
import { withCommandContext } from '../command-context.ts'
import { EXIT } from '../exit-code.ts'
import type { ProgramSettings } from '../settings.ts'
import { note, print, printJson } from '../terminal.ts'

interface PauseFlags {
  readonly json?: boolean
  readonly models?: readonly string[]
}

/** Pauses publishing of models. Their triggers stay active. */
export async function pause(settings: ProgramSettings, flags: PauseFlags, args: readonly string[]): Promise<number> {
  const { json } = flags
  const named = namedModels(args, flags)
  if (named.length === 0) throw new ChangefeedError('E_USAGE', 'Specify the models: pause user,pet.')
  return await withCommandContext(settings, async context => {
    const db = await context.installedDatabase('pause')
    const identities = await capturedIdentities(db, named)
    const changed = await pauseModels(db, identities)
    if (json) printJson({ paused: await listPauses(db) })
    for (const identity of identities.filter(() => !json)) {
      print(changed.includes(identity) ? `paused ${identity}` : `${identity} was already paused`)
    }
    return EXIT.ok
  })
}

/** Resumes models, or all paused models if none is specified. Their clients receive `refetch`. */
export async function resume(settings: ProgramSettings, flags: PauseFlags, args: readonly string[]): Promise<number> {
  const { json } = flags
  return await withCommandContext(settings, async context => {
    const db = await context.installedDatabase('resume')
    const before = await listPauses(db)
    const changed = await resumeModels(db, await capturedIdentities(db, namedModels(args, flags)))
    if (json) printJson({ resumed: changed })
    else if (changed.length === 0) note('Nothing was paused.')
    else {
      const resumed = before.filter(({ identity }) => changed.includes(identity))
      for (const { identity, withheld } of resumed) print(`resumed ${identity}: ${withheld} changes were skipped`)
      print('Clients of these models receive refetch.')
    }
    return EXIT.ok
  })
}

/** The models of the arguments and of `--models`. */
const namedModels = (args: readonly string[], { models = [] }: PauseFlags) => [...args, ...models]
