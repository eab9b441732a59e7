// Packages without types, as far as the tests use them.

declare module 'waterline' {
  const Waterline: {
    start(options: object, done: (error: Error | undefined, orm: import('./waterline.ts').Orm) => void): void
    stop(orm: object, done: (error?: Error) => void): void
  }
  export default Waterline
}

declare module 'waterline-utils' {
  const utils: { autoMigrations(strategy: string, orm: object, done: (error?: Error) => void): void }
  export default utils
}

declare module 'sails-postgresql' {
  const adapter: object
  export default adapter
}

declare module 'sails.io.js' {
  export default function SailsIOClient(io: unknown): unknown
}
