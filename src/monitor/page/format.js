const MOMENT = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }

export const age = at => `${Math.max(0, Math.round((Date.now() - at) / 1000))} s`
export const time = text => new Date(text).toLocaleString('en-GB')
export const moment = at => new Date(at).toLocaleTimeString('en-GB', MOMENT)
export const count = (amount, noun) => `${amount.toLocaleString('en')} ${amount === 1 ? noun : `${noun}s`}`

export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3_600).toFixed(1)} h`
}

export function bytes(size) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.floor(Math.log(Math.max(size, 1)) / Math.log(1024)))
  return `${(size / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`
}
