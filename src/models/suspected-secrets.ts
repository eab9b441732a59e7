import type { Attribute, Model, Models } from './model.ts'
import type { ModelSelection } from './selection.ts'
import { attributesShownAsStored } from './shown-attributes.ts'

/** Published attributes of one model that are named like secrets. */
export interface SuspectedSecrets {
  readonly identity: string
  readonly attributes: readonly string[]
}

const SECRET = /password|passwd|passphrase|secret|token|apikey|privatekey/

/** Detected by names such as `password`, `resetToken`, `client_secret`, `apiKey`, except those in `include` or hidden by `customToJSON`. */
export function suspectedSecrets(models: Models, selection: Pick<ModelSelection, 'options'>): SuspectedSecrets[] {
  return [...models.values()].flatMap(model => {
    const { identity } = model
    const included = selection.options.get(identity)?.include ?? []
    const suspects = secretsOf(model).filter(({ name, visible }) => visible && !included.includes(name))
    const shown = suspects.length > 0 ? attributesShownAsStored(model) : new Set()
    const attributes = suspects.filter(({ name }) => shown.has(name))
    return attributes.length > 0 ? [{ identity, attributes: attributes.map(({ name }) => name) }] : []
  })
}

/** Numbers and booleans only describe a secret (`tokenExpiresAt`), and foreign keys are ids. */
function secretsOf({ attributes, primaryKey }: Model): Attribute[] {
  return [...attributes.values()].filter(
    ({ name, type, model }) =>
      name !== primaryKey &&
      model === undefined &&
      (type === 'string' || type === 'json' || type === 'ref') &&
      SECRET.test(name.toLowerCase().replaceAll(/[_-]/g, '')),
  )
}

/** A message that lists the attributes, with the settings that omit or include them. Empty if there are none. */
export function describeSecrets(secrets: readonly SuspectedSecrets[]): string[] {
  const [first, ...others] = secrets
  if (!first) return []
  const { identity, attributes } = first
  const list = `[${attributes.map(name => `'${name}'`).join(', ')}]`
  const names = secrets.flatMap(each => each.attributes.map(name => `${each.identity}.${name}`)).join(', ')
  const omit = `set \`changefeed: { omit: ${list} }\` in the model, or \`models: { ${identity}: { omit: ${list} } }\` in the options`
  return [
    `Subscribers receive attributes that are named like secrets: ${names}. ` +
      `To omit those of \`${identity}\`, ${omit}${others.length > 0 ? '; likewise for the others' : ''}. ` +
      'If they are not secrets, list them in `include` instead.',
  ]
}
