import type { ChangefeedOptions } from '../../options.ts'
import type { SailsModel } from './sails-app.ts'
import { modelSettings, type SailsSettings } from './settings.ts'

/**
 * What a feed of these models has to know of an app's own settings, whoever runs it: capture that is installed by the
 * command line is then what the hook expects. `all` are the models of the app, whatever database they are in.
 */
export function feedOptions(
  { feed, models: configured }: SailsSettings,
  models: Readonly<Record<string, SailsModel>>,
  all: object = models,
): Pick<ChangefeedOptions, 'models' | 'originTag'> & SailsSettings['feed'] {
  const elsewhere = new Set(Object.keys(all).filter(identity => !Object.hasOwn(models, identity)))
  return { ...feed, models: modelSettings(Object.values(models), configured, elsewhere), originTag: true }
}
