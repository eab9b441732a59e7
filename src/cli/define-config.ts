import type { ConfigFileSettings } from './settings.ts'

/**
 * Returns the settings unchanged. Gives editors completion and type checks in a config file.
 *
 * @example
 * // changefeed.config.mjs
 * import { defineConfig } from 'waterline-changefeed'
 * export default defineConfig({ app: '.', redisUrl: 'redis://127.0.0.1' })
 */
export const defineConfig = (settings: ConfigFileSettings): ConfigFileSettings => settings
