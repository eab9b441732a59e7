import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that need a process of their own run first: they are long, and between the others they would end processes that are shared. */
export class AloneFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isAlone = ({ project }: TestSpecification) => project.config.isolate
    return [...sorted.filter(isAlone), ...sorted.filter(file => !isAlone(file))]
  }
}
