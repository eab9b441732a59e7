import type { ChangefeedHook, HookStatus } from './changefeed-hook.ts' with { 'resolution-mode': 'import' }
import type { SailsApp } from './sails-app.ts' with { 'resolution-mode': 'import' }

/**
 * What Sails requires when it finds this package among an app's dependencies: a function that gives the hook. All else
 * is in ES modules, which it cannot require.
 */
module.exports = function changefeed(sails: SailsApp) {
  const opening = import('./changefeed-hook.ts').then(({ ChangefeedHook }) => new ChangefeedHook(sails))
  let hook: ChangefeedHook | undefined

  return {
    /** Before the policies register theirs: what they write is the request's as well. */
    configure() {
      sails.registerActionMiddleware((req, res, next) => (hook ? hook.enter(req, res, next) : next()), '*')
    },
    initialize(done: (error?: unknown) => void) {
      opening
        .then(opened => {
          hook = opened
          return opened.start()
        })
        .then(() => done(), done)
    },
    /** Resolves when every change that was committed before this call has been published. */
    settled: async () => (await opening).settled(),
    /** What is captured and published, database by database. */
    status: (): HookStatus => hook?.status() ?? { state: 'off', models: [], feeds: [] },
    /** Installs or updates capture on the tables of the models, whatever the setting `install` says. */
    install: async () => (await opening).install(),
    /** What {@link install} would do. */
    plan: async () => (await opening).plan(),
  }
}
