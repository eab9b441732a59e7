import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { listConsumers } from '../change-log/consumers.ts'
import { logBytes } from '../change-log/retention.ts'
import type { Changefeed } from '../changefeed.ts'
import type { Database } from '../db/connect.ts'
import { readOldest } from '../doctor/status.ts'
import { listNodes } from '../leader/nodes.ts'
import { VERB_OF_OPERATION, withReverse } from './verb.ts'

const MODES = ['asleep', 'polling', 'closing'] as const
const ROLES = ['leader', 'follower', 'standby'] as const
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** What Prometheus reads of a feed. */
export class FeedMetrics {
  readonly #registry = new Registry()
  readonly #feed: Changefeed
  readonly #db: Database
  readonly #gauges: Gauges

  constructor(feed: Changefeed, db: Database) {
    this.#feed = feed
    this.#db = db
    collectDefaultMetrics({ register: this.#registry })
    count(feed, this.#registry)
    this.#gauges = createGauges(this.#registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** In the text format of Prometheus. What the database has to be asked for is NaN while it does not answer. */
  async text(): Promise<string> {
    this.#measureFeed()
    await this.#measureDatabase().catch(() => this.#forgetDatabase())
    return await this.#registry.metrics()
  }

  #measureFeed() {
    const { role, mode, state, listening, outage, failures } = this.#feed.status()
    const { connected, listens, leader, gate, outageSeconds, failing } = this.#gauges
    connected.set(Number(state === 'running'))
    listens.set(Number(listening))
    leader.set(Number(role === 'leader'))
    outageSeconds.set(outage ? (Date.now() - outage.since) / 1000 : 0)
    failing.reset()
    for (const { identity, count } of failures) failing.set({ model: identity }, count)
    for (const each of MODES) gate.set({ mode: each }, Number(mode === each))
  }

  async #measureDatabase() {
    const { lagChanges, lagSeconds, log, oldest, nodes, sockets } = this.#gauges
    const lag = await this.#feed.lag()
    lagChanges.set(lag.changes)
    lagSeconds.set(lag.seconds)
    log.set(await logBytes(this.#db))
    oldest.set(((await readOldest(this.#db))?.getTime() ?? Number.NaN) / 1000)
    const all = await listNodes(this.#db)
    for (const role of ROLES) nodes.set({ role }, all.filter(node => node.role === role).length)
    sockets.set(all.reduce((sum, node) => sum + (node.sockets ?? 0), 0))
    await this.#measureConsumers()
  }

  async #measureConsumers() {
    const { consumerLagChanges, consumerLagSeconds } = this.#gauges
    for (const gauge of [consumerLagChanges, consumerLagSeconds]) gauge.reset()
    for (const { name, lag } of await listConsumers(this.#db)) {
      consumerLagChanges.set({ consumer: name }, lag.changes)
      consumerLagSeconds.set({ consumer: name }, lag.seconds)
    }
  }

  #forgetDatabase() {
    const { lagChanges, lagSeconds, log, oldest, nodes, sockets, consumerLagChanges, consumerLagSeconds } = this.#gauges
    for (const gauge of [lagChanges, lagSeconds, log, oldest, sockets]) gauge.set(Number.NaN)
    for (const gauge of [nodes, consumerLagChanges, consumerLagSeconds]) gauge.reset()
  }
}

type Gauges = ReturnType<typeof createGauges>

function createGauges(registry: Registry) {
  const gauge = <Label extends string = never>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge<Label>({ name: `changefeed_${name}`, help, labelNames, registers: [registry] })
  return {
    connected: gauge('connected', 'Whether this process is connected to the database.'),
    listens: gauge('listening', 'Whether it is proven that notifications arrive.'),
    leader: gauge('leader', 'Whether this process leads.'),
    gate: gauge('gate', 'How the leader reads: asleep until a NOTIFY, polling, or on the way to sleep.', 'mode'),
    lagChanges: gauge('lag_changes', 'Changes that are committed and not published; counted up to 100000.'),
    lagSeconds: gauge('lag_seconds', 'Age of the oldest change that is not published.'),
    log: gauge('log_bytes', 'Size of the change log, indexes included.'),
    oldest: gauge('oldest_retained_timestamp_seconds', 'Since when the change log holds every change.'),
    outageSeconds: gauge(
      'publisher_outage_seconds',
      "Since when the publisher's backend takes no messages; 0 while it does.",
    ),
    failing: gauge(
      'failures_last_hour',
      'Changes within the last hour that could not be published completely.',
      'model',
    ),
    consumerLagChanges: gauge(
      'consumer_lag_changes',
      'Changes that a named consumer has not acknowledged; counted up to 100000.',
      'consumer',
    ),
    consumerLagSeconds: gauge(
      'consumer_lag_seconds',
      'Age of the oldest change that a named consumer has not acknowledged.',
      'consumer',
    ),
    nodes: gauge('nodes', 'Processes that run a feed on this database.', 'role'),
    sockets: gauge('sockets', 'Sockets that these processes serve themselves.'),
  }
}

/** What is counted as it happens. */
function count(feed: Changefeed, registry: Registry) {
  const counter = <Label extends string = never>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter<Label>({ name: `changefeed_${name}_total`, help, labelNames, registers: [registry] })
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `changefeed_${name}`, help, buckets, registers: [registry] })

  const changes = counter('changes', 'Row changes that were read.', 'model', 'verb')
  feed.on('change', ({ identity, operation }) => changes.inc({ model: identity, verb: VERB_OF_OPERATION[operation] }))

  const messages = counter('messages', 'Messages that were published.', 'model', 'verb')
  const publishing = histogram('publish_seconds', 'What publishing one event took.', SECONDS)
  const latency = histogram('latency_seconds', 'From the change of a row to its publishing, by two clocks.', SECONDS)
  feed.on('published', ({ event, meta, tookMs }) => {
    for (const each of withReverse(event)) messages.inc({ model: each.identity, verb: each.verb })
    publishing.observe(tookMs / 1000)
    if (event.verb !== 'refetch') latency.observe(Math.max(0, Date.now() - meta.at) / 1000)
  })

  const withheld = counter('withheld', 'Changes of paused models that were passed over.', 'model')
  feed.on('withheld', ({ identity }) => withheld.inc({ model: identity }))
  const skipped = counter('skipped', 'Changes that could not be published and were skipped.', 'model')
  feed.on('skipped', ({ identity }) => skipped.inc({ model: identity }))
  const gaps = counter('gaps', 'Times that clients were told to read again.', 'reason')
  feed.on('gap', ({ reason }) => gaps.inc({ reason }))
  const slow = counter('slow_clients', 'Clients that were disconnected as they did not read what they were sent.')
  feed.on('slowClient', () => slow.inc())
  const errors = counter('errors', 'Errors that the feed recovered from by itself.')
  feed.on('error', () => errors.inc())
  const reconnects = counter('reconnects', 'Times that the database was lost.')
  feed.on('disconnected', () => reconnects.inc())

  const reads = counter('reads', 'Looks at the change log, by what caused them.', 'cause')
  const reading = histogram('read_seconds', 'What the database took for a look that found changes.', SECONDS)
  const size = histogram(
    'read_changes',
    'Changes that a look found, where it found any.',
    [1, 2, 5, 10, 50, 100, 500, 1e3, 1e4, 1e5],
  )
  feed.on('read', ({ woken, changes: found, readMs }) => {
    reads.inc({ cause: woken ? 'wake' : 'poll' })
    if (found === 0) return
    reading.observe(readMs / 1000)
    size.observe(found)
  })
}
