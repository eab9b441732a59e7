import { describeSecrets } from '../models/suspected-secrets.ts'
import type { Finding } from './finding.ts'
import type { Inspection } from './inspection.ts'

/** Attributes that look like secrets and are published. */
export const checkSecrets = ({ secrets }: Inspection): Finding[] =>
  describeSecrets(secrets).map(message => ({ check: 'secrets', severity: 'warning', message }))
