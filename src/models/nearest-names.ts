/** The known names nearest to a misspelt one, nearest first. Names that contain each other count as near. */
export function nearestNames(name: string, known: Iterable<string>, limit = 3): string[] {
  const distanceTo = (other: string) => (other.includes(name) || name.includes(other) ? 1 : editDistance(name, other))
  return [...new Set(known)]
    .map(other => ({ other, distance: distanceTo(other) }))
    .sort((a, b) => a.distance - b.distance || a.other.localeCompare(b.other, 'en'))
    .slice(0, limit)
    .map(({ other }) => other)
}

/** The end of an error about an unknown name: `Nearest of 32 models: user, role, group.` */
export function nearestSentence(name: string, known: Iterable<string>, what = 'models'): string {
  const names = new Set(known)
  if (names.size === 0) return `There are no ${what}.`
  return `Nearest of ${names.size} ${what}: ${nearestNames(name, names).join(', ')}.`
}

/** The Levenshtein distance: number of characters to insert, delete or replace. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [i, character] of [...from].entries()) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (to[j] === character ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
