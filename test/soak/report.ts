import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeMachine, type RunStart } from '../bench/report/machine.ts'
import { plotCurves } from '../bench/report/plot.ts'
import { type Point, trendOf } from './trend.ts'

const FOLDER = 'soak-report'

export interface Sample {
  readonly minutes: number
  readonly rssMb: number
  readonly heapMb: number
  readonly externalMb: number
  readonly handles: number
  readonly connections: number
  readonly timers: number
  readonly logMb: number
  readonly logRows: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly messages: number
}

type Series = Exclude<keyof Sample, 'minutes'>

export interface SoakReport {
  readonly start: RunStart
  readonly samples: readonly Sample[]
  /** Trends count from this minute. */
  readonly warmUp: number
  /** What was done, and what was found at the end. */
  readonly notes: readonly string[]
}

const PLOTS: Readonly<Record<string, readonly (readonly [name: string, series: Series])[]>> = {
  'Memory of the server, MB': [
    ['RSS', 'rssMb'],
    ['heap after a collection', 'heapMb'],
    ['external', 'externalMb'],
  ],
  'Handles of the server': [
    ['all', 'handles'],
    ['connections', 'connections'],
    ['timers', 'timers'],
  ],
  'Change log, MB': [['with indexes', 'logMb']],
  'Change log, rows': [['rows', 'logRows']],
  'Lag from the change to the client, ms': [
    ['median', 'p50Ms'],
    ['99th percentile', 'p99Ms'],
  ],
}

export const seriesOf = (samples: readonly Sample[], series: Series): Point[] =>
  samples.map(sample => [sample.minutes, sample[series]])

/** Writes `soak-report/report.md`. */
export async function writeSoakReport({ start, samples, warmUp, notes }: SoakReport): Promise<string> {
  await rm(FOLDER, { recursive: true, force: true })
  await mkdir(FOLDER)
  const sections = ['# Soak', await describeMachine(start, {}), ...notes, trendTable(samples, warmUp)]
  for (const [place, [title, curves]] of Object.entries(PLOTS).entries()) {
    const file = `${place + 1}.svg`
    const plotted = curves.map(([name, series]) => ({ name, points: seriesOf(samples, series) }))
    await writeFile(join(FOLDER, file), plotCurves(title, 'minutes', plotted))
    sections.push(`![${title}](${file})`)
  }
  const path = join(FOLDER, 'report.md')
  await writeFile(path, `${sections.join('\n\n')}\n`)
  return path
}

function trendTable(samples: readonly Sample[], warmUp: number): string {
  const late = samples.filter(({ minutes }) => minutes >= warmUp)
  const rows = Object.values(PLOTS)
    .flat()
    .map(([, series]) => {
      const values = late.map(sample => sample[series])
      const { median, growth } = trendOf(seriesOf(late, series))
      const cells = [Math.min(...values), median, Math.max(...values), growth].map(value => value.toFixed(1))
      return `| ${[series, ...cells].join(' | ')} |`
    })
  const header = [
    `| after ${warmUp.toFixed(1)} minutes | least | median | most | growth |`,
    '|---|---:|---:|---:|---:|',
  ]
  return [...header, ...rows].join('\n')
}
