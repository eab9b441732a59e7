import type { Reporter, TestModule } from 'vitest/node'

/** Ends the output with the plain counts, alone on a line, for whoever reads logs with grep. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    const count = (state: string) => tests.filter(test => test.result().state === state).length
    // A file that does not load, or an error outside all tests, has no test to show for it.
    const broken = modules.filter(module => module.errors().length > 0).length + errors.length
    console.log(`${count('passed')} passed, ${count('failed') + broken} failed`)
  }
}
