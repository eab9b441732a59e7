import { ChangefeedError } from '../errors.ts'

export const embeddedError = (message: string, cause?: unknown) => new ChangefeedError('E_EMBEDDED', message, { cause })
