import type { Attribute } from '../../src/models/model.ts'

/** An attribute with defaults, resolved as `readModels` does. */
export const attributeOf = ({
  encrypt = false,
  ...parts
}: Partial<Attribute> & { readonly name: string }): Attribute => ({
  column: parts.name,
  type: 'ref',
  encrypt,
  autoTimestamp: false,
  captured: !encrypt,
  visible: !encrypt,
  ...parts,
})
