import { appendFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What happened in a run, line by line, for whoever has to explain a failure. */
export class Trace {
  readonly path: string
  readonly #since = Date.now()
  #lines: string[] = []

  constructor(name: string) {
    this.path = join(tmpdir(), `changefeed-faults-${name}.log`)
    writeFileSync(this.path, '')
  }

  add(who: string, what: string): void {
    this.#lines.push(`${((Date.now() - this.#since) / 1_000).toFixed(3)} ${who} ${what}\n`)
    if (this.#lines.length >= 1_000) this.flush()
  }

  flush(): void {
    appendFileSync(this.path, this.#lines.join(''))
    this.#lines = []
  }
}
