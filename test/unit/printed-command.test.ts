import { expect, test } from 'vitest'
import { commandFormatter } from '../../src/printed-command.ts'

test.each([
  [{ environment: 'development' }, 'npx waterline-changefeed install'],
  [{ environment: '' }, 'npx waterline-changefeed install'],
  [{ environment: 'production' }, 'NODE_ENV=production npx waterline-changefeed install'],
  [
    { environment: 'development', flags: ['--schema', `Odd "Sch`, '--app', `/srv/it's`] },
    `npx waterline-changefeed install --schema 'Odd "Sch' --app '/srv/it'\\''s'`,
  ],
])('a command is printed so that it can be typed: %j', (parts, line) => {
  expect(commandFormatter(parts)('install')).toBe(line)
})
