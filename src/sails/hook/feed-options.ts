import type { ChangefeedOptions } from '../../options.ts'
import type { SailsModel } from './sails-app.ts'
import { modelSettings, type SailsSettings } from './settings.ts'

/**
 * The feed options that follow from an app's settings. The hook and the command line share them, so that both install the
 * same capture. `all`: the app's models in all databases.
 */
export function feedOptions(
  { feed, models: configured }: SailsSettings,
  models: Readonly<Record<string, SailsModel>>,
  all: object = models,
): Pick<ChangefeedOptions, 'models' | 'originTag'> & SailsSettings['feed'] {
  const elsewhere = new Set(Object.keys(all).filter(identity => !Object.hasOwn(models, identity)))
  return { ...feed, models: modelSettings(Object.values(models), configured, elsewhere), originTag: true }
}
