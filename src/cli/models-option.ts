import { InvalidArgumentError, Option } from 'commander'

/** One option with two names; both may be repeated. */
export const MODELS_FLAGS = '--model, --models <identities>'

/** The option by which every command takes models: `--models user,pet`, or `--model user --model pet`. */
export const modelsOption = (text: string) =>
  new Option(MODELS_FLAGS, `${text}, with commas between`).argParser(collect)

/** An empty text leaves it unset, as an empty variable does with every option. */
const collect = (list: string, former: readonly string[] | undefined) =>
  list === '' ? former : collectIdentities(list, former)

/** Of an option or argument that may be repeated: commander passes on what the former call returned. */
export function collectIdentities(list: string, former: readonly string[] = []): readonly string[] {
  const identities = list.split(',').flatMap(identity => identity.trim().toLowerCase() || [])
  if (identities.length === 0) throw new InvalidArgumentError('It takes identities of models, such as user,pet.')
  return [...new Set([...former, ...identities])]
}
