import { InvalidArgumentError } from 'commander'

/** Parses the seconds of `--watch` to milliseconds. */
export function parseInterval(text: string): number {
  const seconds = Number(text)
  if (seconds >= 0.1 && seconds <= 86_400) return seconds * 1_000
  throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 86400.')
}
