import { isIP } from 'node:net'

/** The name in a Host header, without its port: `example.com`, `127.0.0.1`, `[::1]`. */
export const hostName = (host: string): string => host.toLowerCase().replace(/:\d+$/, '')

/** Whether a name in a Host header can only refer to this machine. Other names may be resolved to this machine by an attacker. */
export function isLoopbackName(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  return isLoopbackAddress(name.replace(/^\[(.*)\]$/, '$1'))
}

/** Whether an address is only reachable from this machine. */
export function isLoopbackAddress(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '')
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}
