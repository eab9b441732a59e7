import { typeParsers } from '../db/connect.ts'
import type { Models } from '../ontology/model.ts'
import { redactedColumns } from '../ontology/selection.ts'
import { adapterTypeParsers } from '../ontology/type-parsers.ts'
import type { Settings } from '../options.ts'
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
  const parsersOf = (datastore: string) => adapterTypeParsers(collections, datastore) ?? typeParsers
  return new Delivery({
    ...parts,
    models,
    parsersOf,
    redacted,
    options: settings.models.options,
    stages: stagesOf(settings, models, parts),
    logger,
  })
}

function stagesOf(settings: Settings, models: Models, { db }: Pick<DeliveryParts, 'db'>): Stage[] {
  const { collections, populate, compatibility, logger } = settings
  const redacted = redactedColumns(models, settings.models)
  return [
    new LinkNetting({ db, models, logger }),
    new EarlyMembers(models),
    ...(populate ? [new Population({ collections, models, redacted, logger })] : []),
    ...(compatibility ? [new CompatibleChanges()] : []),
  ]
}
