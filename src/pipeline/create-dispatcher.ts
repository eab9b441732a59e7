import { typeParsers } from '../db/connect.ts'
import type { Models } from '../models/model.ts'
import { adapterTypeParsers } from '../models/type-parsers.ts'
import type { Settings } from '../options.ts'
import type { RecordEvent } from '../publish/mapping/record-event.ts'
import { Dispatcher, type DispatcherParts } from './dispatcher.ts'
import { CompatibleChanges } from './rules/compatible-changes.ts'
import { EarlyMembers } from './rules/early-members.ts'
import { LinkNetting } from './rules/link-netting.ts'
import { MemberMemory } from './rules/member-memory.ts'
import { Population } from './rules/population.ts'
import type { Stage } from './stage.ts'

/** Creates the dispatcher with the stages that the settings require. */
export function createDispatcher(
  settings: Settings,
  models: Models,
  parts: Pick<DispatcherParts, 'db' | 'publisher' | 'publisherWatch' | 'pauses' | 'failures' | 'events' | 'onCaptures'>,
): Dispatcher {
  const { collections, logger } = settings
  const { publisher, events } = parts
  /** Listeners of `published` receive every event. */
  const hasReceivers = (event: RecordEvent) =>
    events.listenerCount('published') > 0 || (publisher.hasReceivers?.(event) ?? true)
  const parsersOf = (datastore: string) => adapterTypeParsers(collections, datastore) ?? typeParsers
  const memory = new MemberMemory()
  return new Dispatcher({
    ...parts,
    models,
    parsersOf,
    memory,
    options: settings.models.options,
    stages: stagesOf(settings, { db: parts.db, models, hasReceivers, memory }),
    hasReceivers,
    logger,
  })
}

function stagesOf(
  settings: Settings,
  parts: Pick<DispatcherParts, 'db' | 'models' | 'hasReceivers' | 'memory'>,
): Stage[] {
  const { collections, populate, compatibility, logger } = settings
  const { models, hasReceivers, memory } = parts
  const { options } = settings.models
  return [
    new LinkNetting({ ...parts, logger }),
    new EarlyMembers(models, memory),
    ...(compatibility ? [new CompatibleChanges()] : []),
    ...(populate ? [new Population({ collections, models, options, hasReceivers, logger })] : []),
  ]
}
