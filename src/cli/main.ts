#!/usr/bin/env node
import { EXIT } from './exit-code.ts'
import { createProgram } from './program.ts'

// As in `plan | head`: a reader that has seen enough is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})

await createProgram().parseAsync()
