import type { Model } from '../../models/model.ts'
import { attributesShownAsStored } from '../../models/shown-attributes.ts'
import type { SailsApp } from './sails-app.ts'

/**
 * Blueprints publish records as they read them, with or without this package: with what `customToJSON` hides or changes, and
 * with `encrypt` attributes as they are stored. With `keep` that stays so, and an app should know it.
 */
export function warnOfExposedAttributes({ config, hooks, log }: SailsApp, models: Iterable<Model>): void {
  const { rest = true, shortcuts = true } = config.blueprints ?? {}
  if (!hooks.blueprints || !hooks.pubsub || (!rest && !shortcuts)) return
  const exposed = [...models].flatMap(model => exposedIn(model).map(reason => `${model.identity}.${reason}`))
  if (exposed.length === 0) return
  log.warn(
    `changefeed: blueprints publish to subscribers what clients are not to see: ${exposed.join(', ')}. ` +
      "Set `changefeed.blueprints` to 'replace', and the feed alone publishes, without these.",
  )
}

function exposedIn(model: Model): string[] {
  const shown = attributesShownAsStored(model, new Set())
  return [...model.attributes.values()]
    .filter(({ name }) => !shown.has(name))
    .map(({ name, encrypt }) => `${name} (${encrypt ? 'encrypted' : 'hidden or changed by customToJSON'})`)
}
