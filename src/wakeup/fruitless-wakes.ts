import { setTimeout as sleep } from 'node:timers/promises'

/** A wake may be for a change that an earlier read returned, or for one that was rolled back. */
const TOLERATED = 5
const PAUSE_MS = 20

/**
 * Throttles reads after wakes that found no change. Any role that may connect can notify on our channels; a flood of
 * notifications then costs at most 50 reads a second. The first change found resets it.
 */
export class FruitlessWakes {
  #count = 0

  async afterRead({ woken, found }: { woken: boolean; found: boolean }): Promise<void> {
    this.#count = woken && !found ? this.#count + 1 : 0
    if (this.#count > TOLERATED) await sleep(PAUSE_MS)
  }
}
