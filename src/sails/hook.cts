import type * as hooks from './hook/changefeed-hook.ts' with { 'resolution-mode': 'import' }
import type { SailsApp } from './hook/sails-app.ts' with { 'resolution-mode': 'import' }

const { ChangefeedHook } = require('./hook/changefeed-hook.js') as typeof hooks

/**
 * The hook factory that Sails requires when it finds this package among an app's dependencies. It loads the whole package
 * immediately, because the app's models become globals later and may replace globals of Node.
 */
module.exports = function changefeed(sails: SailsApp) {
  const hook = new ChangefeedHook(sails)

  const offered: hooks.SailsChangefeed = {
    on: (event, listener) => void hook.events.on(event, listener as never),
    off: (event, listener) => void hook.events.off(event, listener as never),
    onChange: handler => hook.events.onChange(handler),
    settled: () => hook.settled(),
    status: () => hook.status(),
    install: () => hook.install(),
    plan: () => hook.plan(),
  }
  return {
    ...offered,
    configure: () => hook.configure(),
    routes: {
      before: {
        'GET /changefeed/since': (...args: Parameters<hooks.ChangefeedHook['catchUp']>) => void hook.catchUp(...args),
      },
    },
    initialize(done: (error?: unknown) => void) {
      hook.start().then(() => done(), done)
    },
  }
}
