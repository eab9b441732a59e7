/** Pseudo-random choices that a seed repeats. */
export function randomOf(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const of = <T>(list: readonly T[]): T => list[below(list.length)] as T
  return { below, of, chance: (probability: number) => next() < probability }
}

export type Random = ReturnType<typeof randomOf>
