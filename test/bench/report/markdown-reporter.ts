import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import type { Measurement } from './figure.ts'
import { describeMachine, runStart } from './machine.ts'
import { measurementMarkdown } from './markdown.ts'
import { plotsOf } from './plot.ts'
import { IS_SHORT } from './size.ts'

const FOLDER = 'bench-report'

/** Prints the figures of each bench as it ends, and writes all to `bench-report/report.md`, with plots. */
export default class MarkdownReporter implements Reporter {
  readonly #start = runStart()

  onTestCaseResult(test: TestCase) {
    for (const measurement of measurementsOf(test)) console.log(`\n${measurementMarkdown(measurement)}`)
  }

  async onTestRunEnd(modules: readonly TestModule[]) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    await rm(FOLDER, { recursive: true, force: true })
    await mkdir(FOLDER)
    const sections = [`# Benchmarks`, await describeMachine(this.#start, { form: IS_SHORT ? 'short' : 'full' })]
    for (const [place, measurement] of tests.flatMap(measurementsOf).entries()) {
      sections.push(measurementMarkdown(measurement, '##'), ...(await writePlots(measurement, place + 1)))
    }
    sections.push(...unmeasured(tests))
    await writeFile(join(FOLDER, 'report.md'), `${sections.join('\n\n')}\n`)
    console.log(`\nThe report is in ${join(FOLDER, 'report.md')}`)
  }
}

const measurementsOf = (test: TestCase): readonly Measurement[] => test.meta().measurements ?? []

async function writePlots(measurement: Measurement, place: number): Promise<string[]> {
  const links: string[] = []
  for (const { unit, svg } of plotsOf(measurement)) {
    const file = `${String(place).padStart(2, '0')}-${links.length + 1}.svg`
    await writeFile(join(FOLDER, file), svg)
    links.push(`![${measurement.title}, ${unit}](${file})`)
  }
  return links
}

/** Benches that failed or were skipped, so that nothing is missing silently. */
function unmeasured(tests: readonly TestCase[]): string[] {
  const lines = tests.flatMap(test => {
    const result = test.result()
    if (result.state === 'passed') return []
    const reason = result.state === 'failed' ? result.errors.map(({ message }) => message).join('; ') : 'left out'
    return [`- ${test.name}: ${reason}`]
  })
  return lines.length > 0 ? ['## Failed or left out', lines.join('\n')] : []
}
