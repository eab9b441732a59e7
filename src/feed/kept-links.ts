/** Links whose going was not told, each by its key, and by the two records that it links. */
export class KeptLinks {
  readonly #ends = new Map<string, readonly string[]>()
  readonly #byRecord = new Map<string, Set<string>>()

  get size(): number {
    return this.#ends.size
  }

  add(link: string, ends: readonly string[]): void {
    this.#ends.set(link, ends)
    for (const end of ends) this.#byRecord.set(end, (this.#byRecord.get(end) ?? new Set()).add(link))
  }

  /** Whether it was kept. */
  delete(link: string): boolean {
    for (const end of this.#ends.get(link) ?? []) {
      const links = this.#byRecord.get(end)
      links?.delete(link)
      if (links?.size === 0) this.#byRecord.delete(end)
    }
    return this.#ends.delete(link)
  }

  /** All links of a record. */
  forget(record: string): void {
    for (const link of [...(this.#byRecord.get(record) ?? [])]) this.delete(link)
  }
}
