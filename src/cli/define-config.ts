import type { ConfigFileSettings } from './settings.ts'

/**
 * The settings of a config file as they are: editors complete and check them.
 *
 * @example
 * // changefeed.config.mjs
 * import { defineConfig } from 'waterline-changefeed'
 * export default defineConfig({ app: '.', redisUrl: 'redis://127.0.0.1' })
 */
export const defineConfig = (settings: ConfigFileSettings): ConfigFileSettings => settings
