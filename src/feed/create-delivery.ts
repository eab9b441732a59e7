import { typeParsers } from '../db/connect.ts'
import type { Models } from '../ontology/model.ts'
import { redactedColumns } from '../ontology/selection.ts'
import { adapterTypeParsers } from '../ontology/type-parsers.ts'
import type { Settings } from '../options.ts'
import type { RecordEvent } from '../publish/record-event.ts'
import { CompatibleChanges } from './compatible-changes.ts'
import { Delivery, type DeliveryParts } from './delivery.ts'
import { EarlyMembers } from './early-members.ts'
import { LinkNetting } from './link-netting.ts'
import { Population } from './population.ts'
import type { Stage } from './stage.ts'

/** The way of a change to this publisher, as the settings want it. */
export function createDelivery(
  settings: Settings,
  models: Models,
  parts: Pick<DeliveryParts, 'db' | 'publisher' | 'publisherWatch' | 'pauses' | 'failures' | 'events' | 'heedCaptures'>,
): Delivery {
  const { collections, logger } = settings
  const redacted = redactedColumns(models, settings.models)
  const { publisher, events } = parts
  /** A listener of `published` receives every event. */
  const hasReceivers = (event: RecordEvent) =>
    events.listenerCount('published') > 0 || (publisher.hasReceivers?.(event) ?? true)
  const parsersOf = (datastore: string) => adapterTypeParsers(collections, datastore) ?? typeParsers
  return new Delivery({
    ...parts,
    models,
    parsersOf,
    redacted,
    options: settings.models.options,
    stages: stagesOf(settings, { db: parts.db, models, hasReceivers }),
    hasReceivers,
    logger,
  })
}

function stagesOf(settings: Settings, parts: Pick<DeliveryParts, 'db' | 'models' | 'hasReceivers'>): Stage[] {
  const { collections, populate, compatibility, logger } = settings
  const { models, hasReceivers } = parts
  const { options } = settings.models
  const redacted = redactedColumns(models, settings.models)
  return [
    new LinkNetting({ ...parts, logger }),
    new EarlyMembers(models),
    ...(compatibility ? [new CompatibleChanges()] : []),
    ...(populate ? [new Population({ collections, models, options, redacted, hasReceivers, logger })] : []),
  ]
}
