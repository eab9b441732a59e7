import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files whose size does not show how long they take: they lift apps, or start programs, servers and browsers. */
const SLOW = new RegExp(
  `test/integration/(${[
    ...['sails/(cluster|hook|keep|separate)', 'cli/(program|sails-app|start)', 'demo/(page|run-demo)'],
    ...['monitor/(operations|page)', 'client/property', 'db/embedded', 'examples'],
    ...['catch-up/(consumer|log-ranges|returning)', 'feed/(crash|receivers|stages)'],
  ].join('|')}).test.ts$`,
)

/**
 * Files that need a process of their own run first, then those of each project together, as a change of the project
 * ends the shared processes. Within a project the slow ones are first, so that no process is busy alone at the end.
 */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other))
  }
}

function rankOf({ project, moduleId }: TestSpecification): number {
  if (project.config.isolate) return 0
  return (project.name === 'shared' ? 3 : 1) + (SLOW.test(moduleId) ? 0 : 1)
}
