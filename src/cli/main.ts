#!/usr/bin/env node
import { EXIT } from './exit-code.ts'
import { createProgram } from './program.ts'

// A reader such as `head` may close the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})

await createProgram().parseAsync()
