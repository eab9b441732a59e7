import type { Model } from '../../models/model.ts'
import { attributesShownAsStored } from '../../models/shown-attributes.ts'
import { withAttributes } from '../../models/visibility.ts'
import type { SailsApp } from './sails-app.ts'

/**
 * Blueprints publish records without applying `customToJSON`, and with `encrypt` attributes as stored. With
 * `blueprints: 'keep'` this package does not change that, so it warns.
 */
export function warnOfExposedAttributes({ config, hooks, log }: SailsApp, models: Iterable<Model>): void {
  const { rest = true, shortcuts = true } = config.blueprints ?? {}
  if (!hooks.blueprints || !hooks.pubsub || (!rest && !shortcuts)) return
  const exposed = [...models].flatMap(model => exposedIn(model).map(reason => `${model.identity}.${reason}`))
  if (exposed.length === 0) return
  log.warn(
    `changefeed: blueprints publish attributes that are hidden from clients: ${exposed.join(', ')}. ` +
      "Set `changefeed.blueprints` to 'replace': then only the feed publishes, without these attributes.",
  )
}

function exposedIn(model: Model): string[] {
  const shown = attributesShownAsStored(withAttributes(model, ({ encrypt }) => ({ visible: !encrypt })))
  return [...model.attributes.values()]
    .filter(({ name }) => !shown.has(name))
    .map(({ name, encrypt }) => `${name} (${encrypt ? 'encrypted' : 'hidden or changed by customToJSON'})`)
}
