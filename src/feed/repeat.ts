/** Runs a task every `ms`, never two at once, until the returned function is called. A failure goes to `onError`. */
export function repeat(ms: number, task: () => Promise<unknown>, onError: (error: unknown) => void): () => void {
  let busy = false
  const timer = setInterval(async () => {
    if (busy) return
    busy = true
    try {
      await task()
    } catch (error) {
      onError(error)
    } finally {
      busy = false
    }
  }, ms)
  return () => clearInterval(timer)
}
