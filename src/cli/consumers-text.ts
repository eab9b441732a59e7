import type { ConsumerStatus } from '../change-log/consumers.ts'
import { colours } from './colours.ts'
import { table } from './table.ts'
import { count, seconds } from './terminal.ts'

const HEAD = ['consumer', 'reads', 'behind', 'acknowledged']

export const formatConsumers = (consumers: readonly ConsumerStatus[], columns: number): string =>
  table(HEAD, consumers.map(row), columns)

const row = ({ name, connected, lag, updatedAt }: ConsumerStatus): string[] => [
  name,
  connected ? 'yes' : colours.yellow('no'),
  lag.changes === 0 ? '-' : `${count(lag.changes, 'change')}${lag.orMore ? ' or more' : ''}, ${seconds(lag.seconds)}`,
  `${seconds(Math.max(0, Date.now() - updatedAt.getTime()) / 1_000)} ago`,
]
