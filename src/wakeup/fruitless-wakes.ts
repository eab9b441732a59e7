import { setTimeout as sleep } from 'node:timers/promises'

/** A wake may come for a change that was read with an earlier one, or that was rolled back. */
const TOLERATED = 5
const PAUSE_MS = 20

/**
 * Any role that may connect can send on our channels. Wakes that nothing was found for slow the reader down, so that a
 * flood of them costs 50 reads a second and no more. The first change that is found ends it.
 */
export class FruitlessWakes {
  #count = 0

  async afterRead({ woken, found }: { woken: boolean; found: boolean }): Promise<void> {
    this.#count = woken && !found ? this.#count + 1 : 0
    if (this.#count > TOLERATED) await sleep(PAUSE_MS)
  }
}
