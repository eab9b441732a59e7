import type { Attribute, Model, Models } from './model.ts'
import { type ModelSelection, redactedColumns } from './selection.ts'
import { attributesShownAsStored } from './shown-attributes.ts'

/** Attributes of one model that are published and named like a secret. */
export interface SuspectedSecrets {
  readonly identity: string
  readonly attributes: readonly string[]
}

const SECRET = /password|passwd|passphrase|secret|token|apikey|privatekey/

/** By names such as `password`, `resetToken`, `client_secret`, `apiKey`; not those that `include` names or `customToJSON` hides. */
export function suspectedSecrets(models: Models, selection: Pick<ModelSelection, 'options'>): SuspectedSecrets[] {
  const redacted = redactedColumns(models, selection)
  return [...models.values()].flatMap(model => {
    const { identity } = model
    const included = selection.options.get(identity)?.include ?? []
    const suspects = secretsOf(model).filter(
      ({ name, column }) => !included.includes(name) && !redacted.get(identity)?.has(column),
    )
    const shown = suspects.length > 0 ? attributesShownAsStored(model, redacted.get(identity) ?? new Set()) : new Set()
    const attributes = suspects.filter(({ name }) => shown.has(name))
    return attributes.length > 0 ? [{ identity, attributes: attributes.map(({ name }) => name) }] : []
  })
}

/** What is a number or a boolean says something about a secret (`tokenExpiresAt`); a foreign key is an id. */
function secretsOf({ attributes, primaryKey }: Model): Attribute[] {
  return [...attributes.values()].filter(
    ({ name, type, model }) =>
      name !== primaryKey &&
      model === undefined &&
      (type === 'string' || type === 'json' || type === 'ref') &&
      SECRET.test(name.toLowerCase().replaceAll(/[_-]/g, '')),
  )
}

/** What the secrets are, with the line that omits them and the one that says that they are no secrets. No text without any. */
export function describeSecrets(secrets: readonly SuspectedSecrets[]): string[] {
  const [first, ...others] = secrets
  if (!first) return []
  const { identity, attributes } = first
  const list = `[${attributes.map(name => `'${name}'`).join(', ')}]`
  const names = secrets.flatMap(each => each.attributes.map(name => `${each.identity}.${name}`)).join(', ')
  const omit = `set \`changefeed: { omit: ${list} }\` in the model, or \`models: { ${identity}: { omit: ${list} } }\` in the options`
  return [
    `Attributes are named like secrets, and subscribers receive them: ${names}. ` +
      `To omit those of \`${identity}\`, ${omit}${others.length > 0 ? '; likewise for the others' : ''}. ` +
      'If they are no secrets, name them in `include` instead.',
  ]
}
