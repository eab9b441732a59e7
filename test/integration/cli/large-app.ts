import type { ModelDefinition } from '../../helpers/waterline.ts'
import { openShop, type Shop } from '../feed/fixture.ts'
import { type Desk, desk } from './desk.ts'

/** Identities as in real apps: short ones, long ones, and two with a junction table. */
const IDENTITIES = [
  ...['account', 'address', 'apikey', 'attachment', 'auditlogentry', 'board', 'boardmembership', 'calendarevent'],
  ...['card', 'cardlabel', 'checklist', 'checklistitem', 'comment', 'company', 'customfielddefinition', 'device'],
  ...['emailtemplate', 'featureflag', 'invoice', 'invoiceline', 'label', 'notification', 'organization'],
  ...['organizationmembership', 'passwordresetrequest', 'paymentmethod', 'project', 'role', 'subscription'],
  ...['team', 'timesheetentry', 'user'],
]

const MEMBERS: Readonly<Record<string, object>> = {
  project: { contributors: { collection: 'user', via: 'contributions' } },
  user: { contributions: { collection: 'project', via: 'contributors' } },
}

/** 32 models, and the junction table of two of them. */
export const largeApp: Readonly<Record<string, ModelDefinition>> = Object.fromEntries(
  IDENTITIES.map(identity => [
    identity,
    { attributes: { name: { type: 'string' }, apiToken: { type: 'string' }, ...MEMBERS[identity] } },
  ]),
)

/** A command line with 80 columns and the app of 32 models. */
export async function largeDesk(): Promise<Desk & { readonly shop: Shop }> {
  const shop = await openShop(undefined, { models: largeApp })
  const config = `export default { definitions: ${JSON.stringify(largeApp)} }`
  const env = { DATABASE_URL: shop.database.connectionString, COLUMNS: '80' }
  return { shop, ...(await desk(env, { 'changefeed.config.mjs': config })) }
}
