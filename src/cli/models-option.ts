import { InvalidArgumentError, Option } from 'commander'

/** One option with two names. Both may be repeated. */
export const MODELS_FLAGS = '--model, --models <identities>'

/** The option of all commands that take models: `--models user,pet`, or `--model user --model pet`. */
export const modelsOption = (text: string) =>
  new Option(MODELS_FLAGS, `${text}, separated by commas`).argParser(collect)

/** An empty text leaves the option unset, as an empty variable does. */
const collect = (list: string, former: readonly string[] | undefined) =>
  list === '' ? former : collectIdentities(list, former)

/** Parser of a repeatable option or argument: commander passes the previous result. */
export function collectIdentities(list: string, former: readonly string[] = []): readonly string[] {
  const identities = list.split(',').flatMap(identity => identity.trim().toLowerCase() || [])
  if (identities.length === 0) throw new InvalidArgumentError('It must be identities of models, such as user,pet.')
  return [...new Set([...former, ...identities])]
}
