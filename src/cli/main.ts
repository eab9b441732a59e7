#!/usr/bin/env node
import { EXIT } from './exit-code.ts'
import { runProgram } from './program.ts'

const LINGER_MS = 1_000

// A reader such as `head` may close the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})

await runProgram(process.argv.slice(2))
setTimeout(() => process.exit(), LINGER_MS).unref() // handles left open by a library must not block the exit
