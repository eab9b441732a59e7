import { afterAll } from 'vitest'
import { closeFile } from './scope.ts'

// A setup file: it runs before each test file, so its hook is the first and the last to run. It holds no state, as a
// process of several files evaluates it once for each, and the other helpers once for all.
afterAll(closeFile)
