import type { Position } from '../change-log/position.ts'
import type { Database } from '../db/connect.ts'
import type { PublishingObserver } from '../feed/context.ts'
import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import type { FanOut } from '../publish/fan-out.ts'
import type { Publisher } from '../publish/publisher.ts'
import { CatchUps, type CatchUpsParts } from './catch-ups.ts'
import { LogRanges, type LogRangesParts } from './log-ranges.ts'
import { RecentEvents } from './recent-events.ts'
import { recordingPublisher } from './recording-publisher.ts'

export interface CatchUpContext
  extends Pick<CatchUpsParts, 'onCaughtUp' | 'onFailed'>,
    Pick<LogRangesParts, 'onRange'> {
  readonly db: Database
  readonly settings: Settings
  readonly models: Models
  readonly publisher: Publisher
  readonly fanOut: FanOut
  readonly position: () => Position | null
  readonly cursor: () => Promise<string>
}

export interface CatchUpParts {
  /** The publisher to use: it keeps what it sends. */
  readonly publisher: Publisher
  readonly publishing: PublishingObserver
  /** Null if it is disabled, or if the publisher cannot tell what it sends. */
  readonly catchUps: CatchUps | null
}

/** What a feed needs so that its sockets can catch up. */
export function createCatchUps(context: CatchUpContext): CatchUpParts {
  const { settings, publisher, fanOut, models } = context
  const { sent } = publisher
  const { catchUp } = settings
  if (!catchUp || !sent) return { publisher, publishing: { begin() {}, stop() {} }, catchUps: null }
  const recent = new RecentEvents(catchUp.memoryBytes)
  const ranges = new LogRanges({ ...context, ...catchUp, sentBy: sent.bind(publisher) })
  const withAppRooms = new Set(
    [...settings.models.options].filter(([, { rooms }]) => rooms !== undefined).map(([identity]) => identity),
  )
  return {
    publisher: recordingPublisher(publisher, recent),
    publishing: {
      begin: position => recent.begin(position, { isContinuous: fanOut === 'local' }),
      stop: () => {
        if (fanOut === 'cluster') recent.stop()
      },
    },
    catchUps: new CatchUps({ ...context, settings: catchUp, models, recent, ranges, withAppRooms }),
  }
}
