import { describeSecrets } from '../models/suspected-secrets.ts'
import type { Finding } from './finding.ts'
import type { Inspection } from './inspection.ts'

/** Finds published attributes that look like secrets. */
export const checkSecrets = ({ secrets }: Inspection): Finding[] =>
  describeSecrets(secrets).map(message => ({ check: 'secrets', severity: 'warning', message }))
