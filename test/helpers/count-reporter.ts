import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** Ends the output with the reasons for skipped tests and the plain counts, alone on a line, for tools that read logs. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    const count = (state: string) => tests.filter(test => test.result().state === state).length
    // A file that does not load, or an error outside all tests, has no test to show for it.
    const broken = modules.filter(module => module.errors().length > 0).length + errors.length
    for (const [note, number] of skippedByNote(tests)) console.log(`${number} skipped: ${note}`)
    const skipped = count('skipped')
    console.log(`${count('passed')} passed, ${count('failed') + broken} failed${skipped ? `, ${skipped} skipped` : ''}`)
  }
}

function skippedByNote(tests: readonly TestCase[]): Map<string, number> {
  const notes = new Map<string, number>()
  for (const test of tests) {
    const result = test.result()
    if (result.state === 'skipped' && result.note) notes.set(result.note, (notes.get(result.note) ?? 0) + 1)
  }
  return notes
}
