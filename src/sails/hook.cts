import type * as hooks from './changefeed-hook.ts' with { 'resolution-mode': 'import' }
import type { SailsApp } from './sails-app.ts' with { 'resolution-mode': 'import' }

const { ChangefeedHook } = require('./changefeed-hook.js') as typeof hooks

/**
 * What Sails requires when it finds this package among an app's dependencies: a function that gives the hook. It loads
 * all of the package at once, as the models of the app are globals later, possibly with names of Node's own.
 */
module.exports = function changefeed(sails: SailsApp) {
  const hook = new ChangefeedHook(sails)

  return {
    configure: () => hook.configure(),
    initialize(done: (error?: unknown) => void) {
      hook.start().then(() => done(), done)
    },
    /** Resolves when every change that was committed before this call has been published. */
    settled: () => hook.settled(),
    /** What is captured and published, database by database. */
    status: (): hooks.HookStatus => hook.status(),
    /** Installs or updates capture on the tables of the models, whatever the setting `install` says, and starts the feed. */
    install: () => hook.install(),
    /** What {@link install} would do. */
    plan: () => hook.plan(),
  }
}
