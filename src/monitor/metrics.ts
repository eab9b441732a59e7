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

/** The Prometheus metrics of a feed. */
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

  /** The metrics in Prometheus' text format. Metrics that need the database are NaN while it does not respond. */
  async text(): Promise<string> {
    this.#measureFeed()
    await this.#measureDatabase().catch(() => this.#forgetDatabase())
    return await this.#registry.metrics()
  }

  #measureFeed() {
    const { role, mode, state, listening, outage, failures, recentBytes } = this.#feed.status()
    const { connected, listens, leader, gate, outageSeconds, failing, recent } = this.#gauges
    recent.set(recentBytes)
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
    listens: gauge('listening', 'Whether the feed has received a notification, so that LISTEN works.'),
    leader: gauge('leader', 'Whether this process is the leader.'),
    gate: gauge('gate', 'How the leader reads: asleep until a NOTIFY, polling, or closing (going to sleep).', 'mode'),
    lagChanges: gauge('lag_changes', 'Committed changes that are not published yet, counted up to 100000.'),
    lagSeconds: gauge('lag_seconds', 'Age of the oldest committed change that is not published yet.'),
    log: gauge('log_bytes', 'Size of the change log, including indexes.'),
    oldest: gauge('oldest_retained_timestamp_seconds', 'Time since which the change log contains all changes.'),
    outageSeconds: gauge('publisher_outage_seconds', 'Duration of the current outage of the publisher backend, or 0.'),
    failing: gauge('failures_last_hour', 'Changes of the last hour that were not published completely.', 'model'),
    consumerLagChanges: gauge(
      'consumer_lag_changes',
      'Changes that a named consumer has not acknowledged, counted up to 100000.',
      'consumer',
    ),
    consumerLagSeconds: gauge(
      'consumer_lag_seconds',
      'Age of the oldest change that a named consumer has not acknowledged.',
      'consumer',
    ),
    recent: gauge('recent_messages_bytes', 'Size of the messages in memory for sockets that return.'),
    nodes: gauge('nodes', 'Processes that run a feed on this database.', 'role'),
    sockets: gauge('sockets', 'Sockets connected to these processes.'),
  }
}

/** Registers the counters and histograms that follow the feed's events. */
function count(feed: Changefeed, registry: Registry) {
  const counter = <Label extends string = never>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter<Label>({ name: `changefeed_${name}_total`, help, labelNames, registers: [registry] })
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `changefeed_${name}`, help, buckets, registers: [registry] })

  const changes = counter('changes', 'Row changes read.', 'model', 'verb')
  feed.on('change', ({ identity, operation }) => changes.inc({ model: identity, verb: VERB_OF_OPERATION[operation] }))

  const messages = counter('messages', 'Messages published.', 'model', 'verb')
  const publishing = histogram('publish_seconds', 'Time to publish one event.', SECONDS)
  const latency = histogram(
    'latency_seconds',
    'Time from the change of a row to its publication, by the clocks of database and process.',
    SECONDS,
  )
  feed.on('published', ({ event, meta, tookMs }) => {
    for (const each of withReverse(event)) messages.inc({ model: each.identity, verb: each.verb })
    publishing.observe(tookMs / 1000)
    if (event.verb !== 'refetch') latency.observe(Math.max(0, Date.now() - meta.at) / 1000)
  })

  const withheld = counter('withheld', 'Changes of paused models that were not published.', 'model')
  feed.on('withheld', ({ identity }) => withheld.inc({ model: identity }))
  const skipped = counter('skipped', 'Changes that could not be published and were skipped.', 'model')
  feed.on('skipped', ({ identity }) => skipped.inc({ model: identity }))
  const gaps = counter('gaps', 'Gaps declared to clients.', 'reason')
  feed.on('gap', ({ reason }) => gaps.inc({ reason }))
  const slow = counter('slow_clients', 'Clients disconnected because they did not read their messages.')
  feed.on('slowClient', () => slow.inc())
  const catchUps = counter('catch_ups', 'Sockets that asked for what they missed, by outcome.', 'outcome')
  const replayed = counter('replayed_messages', 'Missed messages that were sent to these sockets.')
  feed.on('caughtUp', ({ replayed: count, gaps: missing }) => {
    catchUps.inc({ outcome: missing?.[0]?.reason ?? 'complete' })
    replayed.inc(count)
  })
  feed.on('catchUpFailed', ({ outcome }) => catchUps.inc({ outcome }))
  const ranges = counter(
    'catch_up_ranges',
    'Ranges of the change log for these sockets, by source: log or shared.',
    'source',
  )
  const rangeReading = histogram(
    'catch_up_read_seconds',
    'Time to read such a range from the log, with waiting.',
    SECONDS,
  )
  feed.on('rangeRead', ({ isShared, tookMs }) => {
    ranges.inc({ source: isShared ? 'shared' : 'log' })
    if (!isShared) rangeReading.observe(tookMs / 1000)
  })
  const errors = counter('errors', 'Errors from which the feed recovered.')
  feed.on('error', () => errors.inc())
  const reconnects = counter('reconnects', 'Lost connections to the database.')
  feed.on('disconnected', () => reconnects.inc())

  const reads = counter('reads', 'Reads of the change log, by cause.', 'cause')
  const reading = histogram('read_seconds', 'Database time of a read that found changes.', SECONDS)
  const size = histogram('read_changes', 'Changes per read that found any.', [1, 2, 5, 10, 50, 100, 500, 1e3, 1e4, 1e5])
  feed.on('read', ({ woken, changes: found, readMs }) => {
    reads.inc({ cause: woken ? 'wake' : 'poll' })
    if (found === 0) return
    reading.observe(readMs / 1000)
    size.observe(found)
  })
}
