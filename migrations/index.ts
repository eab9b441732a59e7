import type { Migration } from 'kysely'
import { changeLog } from './0001_change-log.ts'
import { operations } from './0002_operations.ts'
import { untoldGap } from './0003_untold-gap.ts'
import { leaseTerm } from './0004_lease-term.ts'
import { replicationAndRestore } from './0005_replication-and-restore.ts'
import { rowText } from './0006_row-text.ts'
import { modelCapture } from './0007_model-capture.ts'
import { nodeHealth } from './0008_node-health.ts'
import { namedConsumers } from './0009_named-consumers.ts'
import { fewerSlots } from './0010_fewer-slots.ts'
import { transitionText } from './0011_transition-text.ts'
import { sureTexts } from './0012_sure-texts.ts'

/**
 * Our own schema, step by step. A static registry rather than a folder scan: bundlers see it and nothing else in the
 * folder can run. Released steps never change; a later step mends an earlier one.
 */
export const migrationsFor = (schema: string): Record<string, Migration> => ({
  '0001_change-log': changeLog(schema),
  '0002_operations': operations(schema),
  '0003_untold-gap': untoldGap(schema),
  '0004_lease-term': leaseTerm(schema),
  '0005_replication-and-restore': replicationAndRestore(schema),
  '0006_row-text': rowText(schema),
  '0007_model-capture': modelCapture(schema),
  '0008_node-health': nodeHealth(schema),
  '0009_named-consumers': namedConsumers(schema),
  '0010_fewer-slots': fewerSlots(schema),
  '0011_transition-text': transitionText(schema),
  '0012_sure-texts': sureTexts(schema),
})
