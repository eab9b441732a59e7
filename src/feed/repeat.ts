/**
 * Runs a task every `ms`, one run at a time, until the returned function is called. Failures are passed to `onError`.
 */
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
